export interface RunnerCommand {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly message: string;
}

/**
 * What GitHub's runner makes of each line of a log (actions/runner, ActionCommand): a command when the line starts with `::` behind
 * white space, or when `##[` stands anywhere in it. Lines end as its reader of process output ends them.
 */
export function runnerCommands(log: string): readonly (RunnerCommand | undefined)[] {
  const lines = log.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => newCommand(line) ?? oldCommand(line));
}

function newCommand(line: string): RunnerCommand | undefined {
  const text = line.trimStart();
  const end = text.startsWith("::") ? text.indexOf("::", 2) : -1;
  if (end < 0) return undefined;
  const [name = "", rest = ""] = parted(text.slice(2, end), " ");
  const properties = rest
    .split(",")
    .filter((each) => each !== "")
    .map((each) => parted(each.trimStart(), "="))
    .map(([key = "", value = ""]) => [key, restored(restored(value, "%3A", ":"), "%2C", ",")]);
  return {
    name,
    properties: Object.fromEntries(properties.map(([k, v]) => [k, data(v ?? "")])),
    message: data(text.slice(end + 2)),
  };
}

function oldCommand(line: string): RunnerCommand | undefined {
  const start = line.indexOf("##[");
  const end = start < 0 ? -1 : line.indexOf("]", start);
  if (end < 0) return undefined;
  const [name = ""] = parted(line.slice(start + 3, end), " ");
  return { name, properties: {}, message: line.slice(end + 1) };
}

/** What Azure's agent looks for, also anywhere in a line. */
export function hasAgentCommand(log: string): boolean {
  return log.includes("##vso[");
}

function data(text: string): string {
  return restored(restored(restored(text, "%0D", "\r"), "%0A", "\n"), "%25", "%");
}

function restored(text: string, code: string, mark: string): string {
  return text.replaceAll(code, mark);
}

function parted(text: string, by: string): readonly [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + by.length)];
}
