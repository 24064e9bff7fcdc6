import type { Problem } from "../reports/report.ts";
import type { CommandName } from "./input-table.ts";

/**
 * What else mends a problem in a GitHub job than its hint says: the line to add to the workflow.
 * @param image reference of the image that it is about, where it is about one
 */
export function adviceFor(
  command: CommandName,
  problem: Pick<Problem, "code" | "message">,
  image: string | undefined,
): string | undefined {
  if (problem.code === "E_REGISTRY_DENIED") {
    const access = command === "verify" || command === "payload" ? "read" : "write";
    if (image?.startsWith("ghcr.io/")) {
      return `add to the job: permissions: { packages: ${access} }; and give this repository the role ${access === "write" ? "Write" : "Read"} under Manage Actions access in the package's settings`;
    }
    return "log in before this step (docker/login-action), or write registry-username: and registry-password:; an empty secret logs in as nobody";
  }
  const wantsToken = problem.message.includes("ACTIONS_ID_TOKEN_REQUEST_");
  if (problem.code === "E_IDENTITY_TOKEN" || (problem.code === "E_ENVIRONMENT_EMPTY" && wantsToken)) {
    return "add to the job: permissions: { id-token: write }; a job that names permissions has no others, so name contents: read and packages: too where they are needed. Runs from forks never have a token";
  }
  return undefined;
}
