// How a job of the GitLab templates ends before the program runs. The templates carry this file word for word.

/** Why a job stops before the program runs: a code of docs/troubleshooting.md, a sentence, the mend, the exit status. */
export class Stop extends Error {
  constructor(code, status, sentence, mend) {
    super(sentence);
    Object.assign(this, { code, status, mend });
  }
}

/** Wrong use: exit status 2. */
export const misuse = (sentence, mend) => new Stop("E_USAGE", 2, sentence, mend);

/** One printable line: what others say must not move the terminal nor fold GitLab's log. */
export function show(text) {
  return String(text)
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, " ")
    .replace(/section_(?=start|end)/g, "section ")
    .slice(0, 500)
    .toWellFormed();
}
