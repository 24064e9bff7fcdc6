import { oneLine } from "./terminal.ts";

/** Characters that mean nothing inside a line of Markdown, and nothing to those who read the rendered page after it. */
const PLAIN = /[A-Za-z0-9 ,./;?()+=-]/;
/**
 * Characters that something rendering after Markdown acts upon, as on GitHub and GitLab mentions, issues, addresses, emoji,
 * formulas, labels. It reads the decoded text, so a reference alone is no protection: a break opportunity parts them from
 * what follows.
 */
const PARTED = /[@#:$!~%&^*]/;

/**
 * Foreign text as one line of Markdown or HTML that renders as that text and nothing else: no link, image, mention, code
 * span, table cell or element. Every ASCII mark that could mean something becomes a numeric character reference, which
 * Markdown never takes for structure (CommonMark 0.31, section 2.5). It is put behind something on its line, never first.
 */
export function markdownText(text: string, limit = 400): string {
  return oneLine(text, limit)
    .replace(/[\u0021-\u007e]/g, (mark, at: number, whole: string) => {
      if (PLAIN.test(mark) || (mark === ":" && whole[at + 1] === " ")) return mark;
      const reference = `&#${mark.charCodeAt(0)};`;
      return PARTED.test(mark) ? `${reference}<wbr>` : reference;
    })
    .replace(/(?<=www)\./gi, "&#46;<wbr>")
    .replace(/(?<=[A-Za-z])-(?=[0-9])/g, "-<wbr>");
}

/** The same in the type of code, where GitHub and GitLab look for no mentions, issues or emoji at all. */
export function markdownCode(text: string, limit = 400): string {
  return `<code>${markdownText(text, limit)}</code>`;
}
