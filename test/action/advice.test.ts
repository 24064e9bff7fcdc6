import { describe, expect, it } from "vitest";
import { adviceFor } from "../../src/action/advice.ts";

const denied = (message: string) => ({ code: "E_REGISTRY_DENIED", message });

describe("what a workflow must say more", () => {
  it.each([
    ["sign", "cosign: ghcr.io denies writing to example/app: 403", "write"],
    ["sign", "ghcr.io denies reading example/app: 403", "write"],
    [
      "sign",
      "ghcr.io gives the credentials of GITHUB_TOKEN no token for repository:example/app:pull,push: 403",
      "write",
    ],
    ["attach", "ghcr.io denies writing to example/app: 403", "write"],
    ["promote", "ghcr.io denies writing to example/app: 403", "write"],
    ["promote", "ghcr.io denies reading example/app: 403", "read"],
    ["verify", "ghcr.io denies reading example/app: 403", "read"],
    ["payload", "ghcr.io gives an anonymous caller no token for repository:example/app:pull: 401", "read"],
  ] as const)("is for %s, when %s, packages: %s", (command, message, access) => {
    expect(adviceFor(command, denied(message))).toContain(`permissions: { packages: ${access} }`);
  });

  it.each(["r.test denies writing to ghcr.io/app: 403", "ghcr.io.example.test denies reading app: 403"])(
    "is to log in, when %s",
    (message) => {
      const advice = adviceFor("sign", denied(message));
      expect(advice).toContain("docker/login-action");
      expect(advice).not.toContain("packages:");
    },
  );

  it("is id-token: write, when the job has no OIDC token or is given none", () => {
    const message = "the environment variable ACTIONS_ID_TOKEN_REQUEST_URL is empty or not set";
    for (const [code, said] of [
      ["E_ENVIRONMENT_EMPTY", message],
      ["E_IDENTITY_TOKEN", ""],
    ] as const) {
      expect(adviceFor("sign", { code, message: said })).toContain("permissions: { id-token: write }");
    }
  });

  it("is nothing, when another variable is empty or a signature does not count", () => {
    const message = "the environment variable KEY is empty or not set";
    expect(adviceFor("sign", { code: "E_ENVIRONMENT_EMPTY", message })).toBeUndefined();
    expect(adviceFor("verify", { code: "E_SIGNATURE_INVALID", message: "ghcr.io denies x" })).toBeUndefined();
  });
});
