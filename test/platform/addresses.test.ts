import { describe, expect, it } from "vitest";
import { isAddress, isInsideHost, isLoopbackHost } from "../../src/platform/addresses.ts";

const host = (text: string) => new URL(`http://${text}/`).hostname;

describe("a host", () => {
  it.each([
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "127.0.0.1",
    "127.1.2.3",
    "127.1",
    "0x7f.1",
    "2130706433",
    "[::1]",
    "[::ffff:127.0.0.1]",
  ])("%s is this machine", (text) => {
    expect(isLoopbackHost(host(text))).toBe(true);
    expect(isInsideHost(host(text))).toBe(true);
  });

  it.each([
    "0.0.0.0",
    "0",
    "[::]",
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fe80::1]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "metadata.google.internal",
    "metadata.google.internal.",
    "100.100.100.200",
  ])("%s is nobody's business from outside", (text) => {
    expect(isLoopbackHost(host(text))).toBe(false);
    expect(isInsideHost(host(text))).toBe(true);
  });

  it.each([
    "example.com",
    "localhost.example.com",
    "notlocalhost",
    "127.0.0.1.nip.io",
    "10.0.0.1",
    "192.168.1.1",
    "128.0.0.1",
    "[fec0::1]",
    "[2001:db8::1]",
    "[::ffff:10.0.0.1]",
  ])("%s is reachable", (text) => {
    expect(isInsideHost(host(text))).toBe(false);
  });

  it("is an address or a name", () => {
    expect(["10.0.0.1", "[::1]"].map((text) => isAddress(host(text)))).toEqual([true, true]);
    expect(["example.com", "10.0.0.1.example.com"].map((text) => isAddress(host(text)))).toEqual([false, false]);
  });
});
