import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import { type DefaultTreeAdapterTypes, parseFragment } from "parse5";

/** A page as a reader sees it. */
export interface RenderedPage {
  /** Every element and comment in its order, with its attributes, but for break opportunities. */
  readonly elements: readonly string[];
  /** Every stretch of text between two elements or break opportunities: what mention, issue and emoji filters look at one by one. */
  readonly texts: readonly string[];
  /** The text of all, runs of white space as one space. */
  readonly text: string;
}

/** Renders GitHub-flavoured Markdown, raw HTML kept, and reads the page with an HTML parser. */
export function readMarkdown(markdown: string): RenderedPage {
  const html = micromark(markdown, { allowDangerousHtml: true, extensions: [gfm()], htmlExtensions: [gfmHtml()] });
  const elements: string[] = [];
  const texts: string[] = [];
  const visit = (node: DefaultTreeAdapterTypes.ChildNode) => {
    if ("value" in node) texts.push(node.value);
    else if ("attrs" in node && node.nodeName !== "wbr") {
      elements.push([node.nodeName, ...node.attrs.map(({ name, value }) => `${name}=${value}`)].join(" "));
    } else if (!("attrs" in node)) elements.push(node.nodeName);
    if ("childNodes" in node) for (const child of node.childNodes) visit(child);
  };
  for (const node of parseFragment(html).childNodes) visit(node);
  return { elements, texts, text: oneSpace(texts.join("")) };
}

export function oneSpace(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
