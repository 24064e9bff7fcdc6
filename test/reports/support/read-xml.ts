import { SaxesParser } from "saxes";

/** An element with its attributes and its own text. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  text: string;
  readonly children: XmlElement[];
}

/** Reads a document with a strict XML 1.0 parser. Throws unless it is well-formed, or when it holds more than elements and text. */
export function readXml(document: string): XmlElement {
  const parser = new SaxesParser({ fileName: "report.xml" });
  const root: XmlElement = { name: "", attributes: {}, text: "", children: [] };
  const open = [root];
  const current = () => open.at(-1) ?? root;
  parser.on("error", (error) => {
    throw error;
  });
  for (const event of ["comment", "cdata", "doctype", "processinginstruction"] as const) {
    parser.on(event, () => {
      throw new Error(`the document holds a ${event}`);
    });
  }
  parser.on("opentag", ({ name, attributes }) => {
    const element = { name, attributes: Object.fromEntries(Object.entries(attributes)), text: "", children: [] };
    current().children.push(element);
    open.push(element);
  });
  parser.on("text", (text) => {
    current().text += text;
  });
  parser.on("closetag", () => void open.pop());
  parser.write(document).close();
  const [top, ...others] = root.children;
  if (top === undefined || others.length > 0) throw new Error("not one element");
  return top;
}

/** The names of an element and of all in it, nested as they are. */
export function skeleton({ name, attributes, children }: XmlElement): string {
  return `${name}[${Object.keys(attributes).join()}](${children.map(skeleton).join()})`;
}

/** Every text and attribute value in an element and in all in it. */
export function valuesIn({ text, attributes, children }: XmlElement): string[] {
  return [...Object.values(attributes), text, ...children.flatMap(valuesIn)];
}
