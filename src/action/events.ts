import { z } from "zod";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { Host } from "../platform/host.ts";
import type { CommandName } from "./input-table.ts";

/**
 * Events that anybody can cause, while the run has this repository's secrets: what it works on may be a stranger's. Comments are
 * among them, as the usual answer to one is to check out the pull request that it stands under.
 */
const caused: ReadonlySet<string> = new Set([
  "issues",
  "issue_comment",
  "discussion",
  "discussion_comment",
  "fork",
  "watch",
  "gollum",
]);

/** Events that are a stranger's when they come from a fork. */
const proposed: ReadonlySet<string> = new Set(["pull_request", "pull_request_review", "pull_request_review_comment"]);

/** `null`: the fork is gone, and was one. */
const repository = z.object({ id: z.int() }).nullable();
const pullRequestEvent = z.object({
  repository: z.object({ id: z.int() }),
  pull_request: z.object({ head: z.object({ repo: repository }) }),
});
const workflowRunEvent = z.object({
  repository: z.object({ id: z.int() }),
  workflow_run: z.object({ event: z.string(), head_repository: repository }),
});

/**
 * Refuses to sign or promote where a stranger may have a hand in what is signed: `pull_request_target`, events that anybody can
 * cause, and pull requests and workflow runs from forks. What cannot be read is refused.
 *
 * @throws E_EVENT_UNTRUSTED.
 */
export async function refuseUntrustedEvent(command: CommandName, host: Pick<Host, "env" | "files">): Promise<void> {
  const event = host.env["GITHUB_EVENT_NAME"] ?? "";
  const refuse = (why: string) => {
    throw new CountersignError("E_EVENT_UNTRUSTED", `${command} is refused on ${event || "an unknown event"}: ${why}`, {
      hint: `${command} on push, release, schedule or workflow_dispatch; where every path to this step is checked, write allow-untrusted-events: true`,
    });
  };
  if (event === "") refuse("GITHUB_EVENT_NAME is not set");
  if (event === "pull_request_target")
    refuse("it runs with this repository's secrets for whoever opens a pull request");
  if (caused.has(event)) refuse("anybody can cause it");
  if (proposed.has(event)) {
    const parsed = pullRequestEvent.safeParse(await readPayload(host));
    if (!parsed.success) return refuse("its payload does not say where it comes from");
    const { pull_request: request, repository: own } = parsed.data;
    if (request.head.repo?.id !== own.id) refuse("the pull request comes from a fork");
  }
  if (event === "workflow_run") {
    const parsed = workflowRunEvent.safeParse(await readPayload(host));
    if (!parsed.success) return refuse("its payload does not say where it comes from");
    const { workflow_run: run, repository: own } = parsed.data;
    if (run.head_repository?.id !== own.id) refuse("the run before it was started from a fork");
    if (run.event === "pull_request_target" || caused.has(run.event))
      refuse(`the run before it was one of ${run.event}`);
  }
}

async function readPayload({ env, files }: Pick<Host, "env" | "files">): Promise<unknown> {
  const path = env["GITHUB_EVENT_PATH"];
  if (!path) return undefined;
  try {
    const bytes = await files.read(path, LIMITS.configFile);
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
