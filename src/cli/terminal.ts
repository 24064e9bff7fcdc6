import type { Progress } from "../operations/session.ts";
import type { ErrorReport, Report } from "../reports/report.ts";
import { oneLine } from "../reports/terminal.ts";

/** Where a command writes. Reports go to `out`; progress, warnings and errors to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Standard error is a terminal that a line may be redrawn on. */
  readonly interactive: boolean;
  /** Is handed each report, and the error that ended a run without one, by doors that render them in their own way. */
  readonly report?: ((report: Report | ErrorReport) => void) | undefined;
}

/** The streams of the process; each is opened by its first use, which takes milliseconds on the way to the first request. */
export function processTerminal(): Terminal {
  const opened = new Set<NodeJS.WriteStream>();
  const write = (stream: NodeJS.WriteStream, text: string) => {
    // A reader that went away (`| head`) is no failure of ours.
    if (!opened.has(stream)) stream.on("error", throwUnlessGone);
    opened.add(stream);
    stream.write(text);
  };
  return {
    out: (text) => write(process.stdout, text),
    err: (text) => write(process.stderr, text),
    get interactive() {
      return process.stderr.isTTY === true && process.env["CI"] === undefined;
    },
  };
}

function throwUnlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** Copied bytes between two words of it on a terminal. */
const MEGABYTES = 16 * 1024 * 1024;

/**
 * Progress for runs of more than a few images: redrawn in place on a terminal, a line every tenth elsewhere.
 * `verb` is what is said of a finished image: `signed`, `verified`.
 */
export function createProgress(terminal: Terminal, verb: string): Progress & { done(): void } {
  let drawn = false;
  let copied = 0;
  let told = 0;
  return {
    finished(done, total, reference) {
      if (total < 4) return;
      if (terminal.interactive) {
        terminal.err(`\r\u001b[K${verb} ${done}/${total} ${oneLine(reference, 100)}`);
        drawn = true;
      } else if (done === total || done % Math.ceil(total / 10) === 0) {
        terminal.err(`${verb} ${done}/${total}\n`);
      }
    },
    moved(bytes) {
      copied += bytes;
      const step = terminal.interactive ? MEGABYTES : 16 * MEGABYTES;
      if (copied < told + step) return;
      told = copied;
      const text = `copied ${Math.floor(copied / 1_048_576)} MiB`;
      terminal.err(terminal.interactive ? `\r\u001b[K${text}` : `${text}\n`);
      drawn = terminal.interactive;
    },
    done() {
      if (drawn) terminal.err("\r\u001b[K");
      drawn = false;
    },
  };
}
