import { describe, expect, it } from "vitest";
import type { Certificate } from "../../src/model/certificate.ts";
import { isForHost } from "../../src/trust/host-names.ts";
import { matchIdentity } from "../../src/trust/identities.ts";
import { authority, issue } from "./support/pki.ts";

const base: Certificate = issue(authority("Host names")).certificate;
const named = (...alternativeNames: Certificate["alternativeNames"]): Certificate => ({ ...base, alternativeNames });
const dns = (value: string) => ({ type: "dns", value }) as const;

describe("whether a certificate is for a host", () => {
  it.each([
    ["ci.example.com", "ci.example.com"],
    ["ci.example.com", "CI.Example.Com"],
    ["ci.example.com", "ci.example.com."],
    ["*.example.com", "ci.example.com"],
  ])("%s is for %s", (name, host) => expect(isForHost(named(dns(name)), host)).toBe(true));

  it.each([
    ["ci.example.com", "example.com"],
    ["*.example.com", "example.com"],
    ["*.example.com", "a.ci.example.com"],
    ["c*.example.com", "ci.example.com"],
    ["ci.*.com", "ci.example.com"],
    ["*", "localhost"],
    ["127.0.0.1", "127.0.0.1"],
    ["ci.example.com", ""],
  ])("%s is not for %s", (name, host) => expect(isForHost(named(dns(name)), host)).toBe(false));

  it("compares addresses as addresses, never with names", () => {
    const certificate = named({ type: "ip", value: "2001:db8::1" }, { type: "ip", value: "192.0.2.1" });
    expect(["2001:DB8:0::1", "[2001:db8::1]", "192.0.2.1"].map((host) => isForHost(certificate, host))).toEqual([
      true,
      true,
      true,
    ]);
    expect(["2001:db8::2", "192.0.2.2", "192.0.2.1.example"].map((host) => isForHost(certificate, host))).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe("what looks like an address to some readers", () => {
  const certificate = named({ type: "ip", value: "::1" }, { type: "ip", value: "10.0.0.1" });
  it.each([
    "010.0.0.1",
    "10.0.0.01",
    "10.0.0.1\n",
    "10.0.0",
    "::1]/x",
    "::1]:80/?",
    "::1]?[",
    "::1\n",
    "::\t1",
    "::1%eth0",
  ])("%j is none", (host) => expect(isForHost(certificate, host)).toBe(false));
});

describe("an identity by email address and host", () => {
  const certificate = named({ type: "email", value: "release@example.com" }, dns("ci.example.com"));
  it("holds where every one given does, to the letter", () => {
    expect(matchIdentity(certificate, { email: "release@example.com", hostname: "ci.example.com" })).toEqual([]);
    expect(matchIdentity(certificate, { email: "Release@example.com" })).toEqual([
      expect.objectContaining({ code: "E_IDENTITY_MISMATCH" }),
    ]);
    expect(matchIdentity(certificate, { email: "ci.example.com" })).toHaveLength(1);
    expect(matchIdentity(certificate, { email: "release@example.com", hostname: "other.example.com" })).toHaveLength(1);
  });
});
