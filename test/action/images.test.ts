import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { imagesOf, movesOf } from "../../src/action/images.ts";
import type { CommandName, InputName } from "../../src/action/input-table.ts";
import { CountersignError } from "../../src/model/errors.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const other = `sha256:${"cd".repeat(32)}`;

function images(inputs: Partial<Record<InputName, string>>, command: CommandName = "sign") {
  return imagesOf({ command, given: new Map(Object.entries(inputs) as [InputName, string][]) });
}

function refusal(inputs: Partial<Record<InputName, string>>, command?: CommandName): CountersignError {
  try {
    images(inputs, command);
  } catch (error) {
    if (error instanceof CountersignError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("the images of a step", () => {
  it("are references a line each, as they were written, each once", () => {
    expect(images({ images: "r.test/a:1\n\n  r.test/b:2  \r\nr.test/a:1" })).toEqual(["r.test/a:1", "r.test/b:2"]);
  });

  it("are one image at its digest, without its tag", () => {
    expect(images({ image: "r.test:5000/app:1.2", digest })).toEqual([`r.test:5000/app@${digest}`]);
  });

  it("are every repository of docker/metadata-action's tags at the digest of the build", () => {
    const tags = "ghcr.io/example/app:1.2\nghcr.io/example/app:latest\ndocker.io/example/app:1.2";
    expect(images({ tags, digest })).toEqual([
      `ghcr.io/example/app@${digest}`,
      `index.docker.io/example/app@${digest}`,
    ]);
    expect(images({ tags: tags.replaceAll("\n", ","), digest })).toEqual(images({ tags, digest }));
  });

  it("are every repository of docker/build-push-action's metadata at its digest", () => {
    const metadata = JSON.stringify({
      "buildx.build.ref": "builder/x/y",
      "containerimage.config.digest": other,
      "containerimage.digest": digest,
      "image.name": "ghcr.io/example/app:1,ghcr.io/example/app:2,r.test/mirror:1",
    });
    expect(images({ metadata })).toEqual([`ghcr.io/example/app@${digest}`, `r.test/mirror@${digest}`]);
  });

  it("are those of every target of docker/bake-action's metadata", () => {
    const metadata = JSON.stringify({
      "buildx.build.warnings": [],
      api: { "containerimage.digest": digest, "image.name": "r.test/api:1" },
      web: { "containerimage.digest": other, "image.name": "r.test/web:1" },
    });
    expect(images({ metadata })).toEqual([`r.test/api@${digest}`, `r.test/web@${other}`]);
  });

  it.each([
    ["not JSON", "{", "is not the JSON that a build writes"],
    ["a list", "[]", "is not the JSON that a build writes"],
    ["a build that pushed nothing", '{"containerimage.digest":"sha256:1"}', "names no image with its digest"],
    ["no names", `{"containerimage.digest":"${digest}","image.name":" , "}`, "names no image with its digest"],
  ])("are refused in metadata that is %s", (_, metadata, message) => {
    expect(refusal({ metadata })).toMatchObject({ code: "E_USAGE", message: `metadata ${message}` });
  });

  it("are refused by tags alone, which may name anything by now", () => {
    expect(refusal({ tags: "r.test/app:1" }, "verify").message).toBe(
      "tags without digest would verify whatever the tags name by now",
    );
  });

  it("are refused when nothing names one, or two inputs do", () => {
    expect(refusal({}).message).toBe("no image is named");
    expect(refusal({ images: "a/b", image: "a/c" }).message).toBe("images and image both name images");
    expect(refusal({ images: `a/b@${digest}`, digest }).message).toContain("digest stands beside images");
  });

  it("are refused at two digests", () => {
    expect(refusal({ image: `r.test/app@${other}`, digest }).message).toContain("names another digest");
  });

  it.each(["--key=x", "-", "r.test/app and:more"])("are refused as %j, which is no reference", (image) => {
    expect(refusal({ image }).code).toBe("E_USAGE");
  });

  it("never hold what could be read as a flag, whatever metadata says", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom("--key=x", "-o", "r.test/a:1,--all"));
    fc.assert(
      fc.property(text, text, (name, named) => {
        const metadata = JSON.stringify({ "containerimage.digest": named, "image.name": name });
        try {
          for (const image of images({ metadata })) expect(image).toMatch(/^[^-\s]\S*@sha(?:256|512):[0-9a-f]+$/);
        } catch (error) {
          if (!(error instanceof CountersignError)) throw error;
        }
      }),
    );
  });
});

describe("what a step promotes", () => {
  const moves = (inputs: Partial<Record<InputName, string>>) =>
    movesOf({ command: "promote", given: new Map(Object.entries(inputs) as [InputName, string][]) });

  it("is an image, at the digest that was built, to a destination", () => {
    expect(moves({ image: "r.test/staging/app:1", digest, destination: "r.test/app:1" })).toEqual([
      { source: `r.test/staging/app@${digest}`, destination: "r.test/app:1" },
    ]);
  });

  it("is a source and a destination on each line", () => {
    expect(moves({ images: "r.test/s/a:1  r.test/a:1\nr.test/s/b:1\tr.test/b:1\n" })).toEqual([
      { source: "r.test/s/a:1", destination: "r.test/a:1" },
      { source: "r.test/s/b:1", destination: "r.test/b:1" },
    ]);
  });

  it.each([
    ["no destination", { image: "r.test/a:1" }],
    ["one word on a line", { images: "r.test/a:1" }],
    ["three", { images: "a/b c/d e/f" }],
    ["a flag", { images: "--resign r.test/a:1" }],
    ["two sources for one destination", { images: "r.test/a:1\nr.test/b:1", destination: "r.test/c:1" }],
    ["nothing", {}],
  ])("is refused with %s", (_, inputs) => {
    expect(() => moves(inputs)).toThrow(CountersignError);
  });
});
