import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { refuseUntrustedEvent } from "../../src/action/events.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Whether signing goes on when the runner hands over this event. */
async function answer(event: string | undefined, payload?: unknown): Promise<string> {
  const path = join(temporaryFolder(), "event.json");
  if (payload !== undefined) writeFileSync(path, typeof payload === "string" ? payload : JSON.stringify(payload));
  const env = { GITHUB_EVENT_NAME: event, GITHUB_EVENT_PATH: path };
  try {
    await refuseUntrustedEvent("sign", { ...createNodeHost(), env });
    return "goes on";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "E_EVENT_UNTRUSTED") return error.message;
    throw error;
  }
}

const own = { id: 1 };
const pullRequest = (repo: unknown) => ({ repository: own, pull_request: { head: { repo, ref: "x" } } });
const workflowRun = (head: unknown, event = "push") => ({
  repository: own,
  workflow_run: { event, head_repository: head },
});

describe("signing on an event of GitHub", () => {
  it.each(["push", "release", "schedule", "workflow_dispatch", "repository_dispatch", "merge_group", "deployment"])(
    "goes on for %s, without a look at its payload",
    async (event) => {
      expect(await answer(event, "no JSON at all")).toBe("goes on");
    },
  );

  it("is refused on pull_request_target, of a branch of the same repository too", async () => {
    expect(await answer("pull_request_target", pullRequest(own))).toContain("pull_request_target: it runs with");
  });

  it.each(["issues", "issue_comment", "discussion", "discussion_comment", "fork", "watch", "gollum"])(
    "is refused on %s, which anybody can cause",
    async (event) => {
      expect(await answer(event, { repository: own })).toContain("anybody can cause it");
    },
  );

  describe.each(["pull_request", "pull_request_review", "pull_request_review_comment"])("%s", (event) => {
    it("goes on for a branch of the same repository", async () => {
      expect(await answer(event, pullRequest(own))).toBe("goes on");
    });

    it("is refused from a fork, and from one that is gone", async () => {
      expect(await answer(event, pullRequest({ id: 2 }))).toContain("comes from a fork");
      expect(await answer(event, pullRequest(null))).toContain("comes from a fork");
    });
  });

  it("goes on for a workflow run of the same repository", async () => {
    expect(await answer("workflow_run", workflowRun(own))).toBe("goes on");
  });

  it("is refused for a workflow run whose head is a fork, also one that is gone", async () => {
    expect(await answer("workflow_run", workflowRun({ id: 2 }))).toContain("started from a fork");
    expect(await answer("workflow_run", workflowRun(null))).toContain("started from a fork");
  });

  it("is refused for a workflow run behind an event that is refused itself", async () => {
    expect(await answer("workflow_run", workflowRun(own, "issue_comment"))).toContain("was one of issue_comment");
  });

  it.each([
    ["no payload", undefined],
    ["no JSON", "{"],
    ["another shape", { repository: { id: "1" }, pull_request: { head: { repo: { id: "1" } } } }],
    ["no head", { repository: own }],
    ["a name where a number belongs", pullRequest("own/own")],
  ])("is refused when a pull request comes with %s: what cannot be read is not trusted", async (_, payload) => {
    expect(await answer("pull_request", payload)).toContain("does not say where it comes from");
  });

  it("goes on for no payload but one that says that it is the repository's own", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("pull_request", "workflow_run"),
        fc.oneof(fc.jsonValue(), fc.record({ repository: fc.jsonValue(), pull_request: fc.jsonValue() })),
        async (event, payload) => {
          expect(await answer(event, JSON.stringify(payload))).toContain("sign is refused on");
        },
      ),
      { numRuns: 50 },
    );
  });

  it("is refused when the runner names no event", async () => {
    expect(await answer(undefined)).toContain("sign is refused on an unknown event");
  });
});
