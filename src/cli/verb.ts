import type { ExitCode } from "../model/error-codes.ts";
import type { Host } from "../platform/host.ts";
import type { OptionList } from "./option-list.ts";
import type { Terminal } from "./terminal.ts";

/** One verb of the command line: its options, and what runs it. */
export interface Verb {
  readonly name: string;
  /** What it does, on one line; of a verb's verbs. */
  readonly summary?: string;
  /** Is given commander's Command; `verify` makes do with any list (see runProgram). */
  define(command: OptionList): OptionList;
  /** `host` is the outside world; the real one when absent. */
  run(images: readonly string[], options: unknown, terminal: Terminal, host?: Host): Promise<ExitCode>;
  /** Verbs of its own, one of which is then run in its place. */
  readonly verbs?: readonly Verb[];
}
