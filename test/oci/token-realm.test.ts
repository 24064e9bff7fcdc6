import { describe, expect, it } from "vitest";
import { mayReceiveCredentials, parseRealm } from "../../src/oci/token-realm.ts";

const judge = (realm: string, registry: string, pins: string[] = []) =>
  mayReceiveCredentials(new URL(realm), new URL(registry), pins);

describe("a token server on another host", () => {
  it.each([
    ["https://auth.docker.io/token", "https://index.docker.io"],
    ["https://gitlab.com/jwt/auth", "https://registry.gitlab.com"],
    ["https://gitlab.example.com/jwt/auth", "https://registry.example.com"],
    ["https://gitlab.example.com/jwt/auth", "https://gitlab.example.com:5050"],
    ["https://example.com/jwt/auth", "https://registry.example.com"],
    ["https://git.corp.example.co.uk/jwt/auth", "https://registry.corp.example.co.uk"],
    ["https://auth.example.co.uk/token", "https://registry.example.co.uk"],
    ["https://api.digitalocean.com/v2/registry/auth", "https://registry.digitalocean.com"],
    ["https://sso.redhat.com/auth", "https://registry.connect.redhat.com"],
    ["http://127.0.0.1:5001/token", "http://127.0.0.1:5000"],
  ])("gets credentials: %s of %s", async (realm, registry) => {
    expect(await judge(realm, registry)).toBe(true);
  });

  it.each([
    ["https://evil.example.net/token", "https://registry.example.com"],
    ["https://evil.com/token", "https://example.com"],
    ["https://evil.co.uk/token", "https://victim.co.uk"],
    ["https://evil.com.au/token", "https://victim.com.au"],
    ["https://evil.github.io/token", "https://victim.github.io"],
    ["https://evil.azurecr.io/token", "https://victim.azurecr.io"],
    ["https://evil.s3.amazonaws.com/token", "https://victim.s3.amazonaws.com"],
    ["https://a.registry.example.com/token", "https://registry.example.com"],
    ["https://deep.auth.example.com/token", "https://registry.example.com"],
    ["https://registry.example.com.evil.net/token", "https://registry.example.com"],
    ["https://evilexample.com/token", "https://registry.example.com"],
    ["https://com/token", "https://example.com"],
    ["https://gitlab/token", "https://registry"],
    ["https://10.0.0.2/token", "https://10.0.0.1"],
    ["https://[fd00::2]/token", "https://[fd00::1]"],
  ])("gets none: %s of %s", async (realm, registry) => {
    expect(await judge(realm, registry)).toBe(false);
  });

  it("gets them when it is pinned, with or without its port", async () => {
    const [realm, registry] = ["https://login.example.net:8443/token", "https://registry.example.com"];
    expect(await judge(realm, registry, ["login.example.net"])).toBe(true);
    expect(await judge(realm, registry, ["LOGIN.example.net:8443"])).toBe(true);
    expect(await judge(realm, registry, ["login.example.net:443"])).toBe(false);
    expect(await judge(realm, registry, ["example.net"])).toBe(false);
  });
});

describe("the address of a token server", () => {
  it.each([
    ["not an address", "https://registry.example.com"],
    ["/token", "https://registry.example.com"],
    ["http://auth.example.com/token", "https://registry.example.com"],
    ["ftp://auth.example.com/token", "http://registry.example.com"],
    ["https://user:pw@auth.example.com/token", "https://registry.example.com"],
    ["https://127.0.0.1/token", "https://registry.example.com"],
    ["https://[::ffff:169.254.169.254]/token", "https://registry.example.com"],
    ["https://metadata.google.internal/token", "https://registry.example.com"],
    ["https://0x7f000001/token", "https://registry.example.com"],
  ])("is refused, even to nobody: %s of %s", (realm, registry) => {
    expect(() => parseRealm(realm, new URL(registry))).toThrow(
      expect.objectContaining({ code: "E_TOKEN_REALM", exit: 3, retry: false }),
    );
  });

  it("may be plain http, and on this machine, when the registry is", () => {
    expect(parseRealm("http://127.0.0.1:5001/t?a=b", new URL("http://localhost:5000")).href).toBe(
      "http://127.0.0.1:5001/t?a=b",
    );
  });
});
