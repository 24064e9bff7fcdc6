import type { Problem } from "../reports/report.ts";
import type { CommandName } from "./input-table.ts";

/** How the registry client begins what it says of a registry or token server that denies; a format's name may stand before it. */
const GHCR = /(?:^|: )ghcr\.io (?:denies|gives|demands) /;

/** What else mends a problem in a GitHub job than its hint says: the line to add to the workflow. */
export function adviceFor(command: CommandName, problem: Pick<Problem, "code" | "message">): string | undefined {
  const { code, message } = problem;
  if (code === "E_REGISTRY_DENIED") {
    if (GHCR.test(message)) {
      const access = accessFor(command, message);
      return `add to the job: permissions: { packages: ${access} }; and give this repository the role ${access === "write" ? "Write" : "Read"} under Manage Actions access in the package's settings`;
    }
    return "log in before this step (docker/login-action), or write registry-username: and registry-password:; an empty secret logs in as nobody";
  }
  const wantsToken = message.includes("ACTIONS_ID_TOKEN_REQUEST_");
  if (code === "E_IDENTITY_TOKEN" || (code === "E_ENVIRONMENT_EMPTY" && wantsToken)) {
    return "add to the job: permissions: { id-token: write }; a job that names permissions has no others, so name contents: read and packages: too where they are needed. Runs from forks never have a token";
  }
  return undefined;
}

/** A promotion reads at one end and may write at another. */
function accessFor(command: CommandName, message: string): "read" | "write" {
  if (command === "verify" || command === "payload") return "read";
  return command === "promote" && message.includes("ghcr.io denies reading") ? "read" : "write";
}
