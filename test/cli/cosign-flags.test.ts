import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addCosignFlags, withOwnSpelling } from "../../src/cli/cosign-flags.ts";

function parse(...args: readonly string[]): { readonly options: Record<string, unknown>; readonly images: string[] } {
  const command = new Command().argument("[image...]").option("-r, --recursive").exitOverride();
  addCosignFlags(command, ["insecure-ignore-tlog", "check-claims", "tlog-upload", "new-bundle-format", "yes"]);
  command.action(() => {});
  command.parse([...withOwnSpelling(args)], { from: "user" });
  return { options: command.opts(), images: command.args };
}

describe("boolean flags as cosign's command lines have them", () => {
  it("leaves the word behind a flag without value alone: it is an image", () => {
    const { options, images } = parse("--insecure-ignore-tlog", "registry.test/app", "-y", "registry.test/other");
    expect(options).toEqual({ insecureIgnoreTlog: true, yes: true });
    expect(images).toEqual(["registry.test/app", "registry.test/other"]);
  });

  it("takes a value behind =, for the flags of both programs too", () => {
    expect(parse("--new-bundle-format=false", "--recursive=true").options).toEqual({
      newBundleFormat: false,
      recursive: true,
    });
    expect(parse("--recursive=false").options).toEqual({});
  });

  it.each([
    ["--insecure-ignore-tlog=false", "transparency log"],
    ["--check-claims=false", "always checked"],
    ["--tlog-upload", "transparency log"],
    ["--tlog-upload=true", "transparency log"],
    ["--yes=perhaps", "neither true nor false"],
  ])("refuses %s, which asks for what cannot be had", (flag, why) => {
    expect(() => parse(flag, "registry.test/app")).toThrowError(
      expect.objectContaining({ code: "E_USAGE", message: expect.stringContaining(why), hint: expect.any(String) }),
    );
  });

  it("knows the long name of an annotation", () => {
    expect(withOwnSpelling(["--annotations", "a=1", "--annotations=b=2"])).toEqual([
      "--annotation",
      "a=1",
      "--annotation=b=2",
    ]);
  });

  it("leaves all other words as they are", () => {
    const words = ["verify", "--key", "cosign.pub", "--output=json", "--x=true", "a=true", "--", "-v"];
    expect(withOwnSpelling(words)).toEqual(words);
  });
});
