import { describe, expect, it } from "vitest";
import { adviceFor } from "../../src/action/advice.ts";

const problem = (code: string, message = "") => ({ code, message, hint: null, retry: false, place: null });

describe("what a workflow must say more", () => {
  it.each([
    ["sign", "write"],
    ["promote", "write"],
    ["attach", "write"],
    ["verify", "read"],
    ["payload", "read"],
  ] as const)("is for %s of ghcr.io, when it denies, packages: %s", (command, access) => {
    const advice = adviceFor(command, problem("E_REGISTRY_DENIED"), "ghcr.io/example/app:1");
    expect(advice).toContain(`permissions: { packages: ${access} }`);
  });

  it("is to log in, when another registry denies", () => {
    const advice = adviceFor("sign", problem("E_REGISTRY_DENIED"), "ghcr.io.example.test/app:1");
    expect(advice).toContain("docker/login-action");
    expect(advice).not.toContain("packages:");
  });

  it("is id-token: write, when the job has no OIDC token or is given none", () => {
    const message = "the environment variable ACTIONS_ID_TOKEN_REQUEST_URL is empty or not set";
    for (const [code, said] of [
      ["E_ENVIRONMENT_EMPTY", message],
      ["E_IDENTITY_TOKEN", ""],
    ] as const) {
      expect(adviceFor("sign", problem(code, said), undefined)).toContain("permissions: { id-token: write }");
    }
  });

  it("is nothing, when another variable is empty or a signature does not count", () => {
    const empty = problem("E_ENVIRONMENT_EMPTY", "the environment variable KEY is empty or not set");
    expect(adviceFor("sign", empty, undefined)).toBeUndefined();
    expect(adviceFor("verify", problem("E_SIGNATURE_INVALID"), "ghcr.io/example/app:1")).toBeUndefined();
  });
});
