import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { parseReference, type RegistryReference } from "../../src/oci/reference.ts";
import { scopesOf } from "../../src/stores/registries-d.ts";
import { encodeRegistriesD } from "../../src/stores/registries-d-entry.ts";
import { readRegistriesD } from "../../src/stores/registries-d-files.ts";

function reference(text: string): RegistryReference {
  const parsed = parseReference(text);
  if (parsed.kind !== "registry") throw new Error(text);
  return parsed;
}

function read(...texts: readonly string[]) {
  return readRegistriesD(texts.map((text, at) => ({ path: `${at}.yaml`, bytes: Buffer.from(text) })));
}

const place = (text: string, image: string, use: "read" | "write" = "read") =>
  read(text).lookup(scopesOf(reference(image)), use);

describe("the scopes of an image", () => {
  it.each([
    ["a.b.c:443/ns/app:1", ["a.b.c:443/ns/app:1", "a.b.c:443/ns/app", "a.b.c:443/ns", "a.b.c:443", "*.b.c", "*.c"]],
    ["localhost:5000/app:1", ["localhost:5000/app:1", "localhost:5000/app", "localhost:5000"]],
    [
      `alpine@sha256:${"0".repeat(64)}`,
      [
        `docker.io/library/alpine@sha256:${"0".repeat(64)}`,
        "docker.io/library/alpine",
        "docker.io/library",
        "docker.io",
        "*.io",
      ],
    ],
  ])("of %s are looked up from the most specific on", (image, scopes) => {
    expect(scopesOf(reference(image))).toEqual(scopes);
  });
});

describe("registries.d", () => {
  const whole = `
default-docker:
  lookaside: file:///default
docker:
  r.test:
    lookaside: https://r.test/sigs
    lookaside-staging: file:///staging
  r.test/old:
    sigstore: file:///old
    sigstore-staging: file:///old-staging
  r.test/both: { lookaside: "file:///new", sigstore: "file:///older" }
  r.test/silent: { use-sigstore-attachments: true }
  r.test/empty:
  r.test/app:9: { lookaside: "file:///nine" }
  "*.wild.test": { lookaside: "file:///wild" }
`;
  it.each([
    ["r.test/app:1", "https://r.test/sigs", "file:///staging"],
    ["r.test/app:9", "file:///nine", "file:///nine"],
    ["r.test/old/app:1", "file:///old", "file:///old-staging"],
    ["r.test/older/app:1", "https://r.test/sigs", "file:///staging"],
    ["r.test/both:1", "file:///new", "file:///new"],
    ["r.test/silent:1", "https://r.test/sigs", "file:///staging"],
    ["r.test/empty:1", "https://r.test/sigs", "file:///staging"],
    ["a.wild.test:5000/app:1", "file:///wild", "file:///wild"],
    ["wild.test/app:1", "file:///default", "file:///default"],
    ["alpine:1", "file:///default", "file:///default"],
  ])("of %s is read in %s and written in %s", (image, reads, writes) => {
    expect([place(whole, image), place(whole, image, "write")]).toEqual([reads, writes]);
  });

  it("says nothing of a repository that no scope is about", () => {
    expect(place("docker:\n  r.test: { lookaside: file:///a }\n", "other.test/app:1")).toBeUndefined();
  });

  it.each([
    ["a list", "- docker"],
    ["no YAML", "docker: [\n"],
    ["a scope twice in one file", "docker:\n  r.test: {}\n  r.test: {}\n"],
    ["a place that is a number", "docker:\n  r.test: { lookaside: 5 }\n"],
    ["a place without a scheme", "docker:\n  r.test: { lookaside: /srv/sigs }\n"],
    ["a place with a password", "docker:\n  r.test: { lookaside: 'https://u:p@r.test/' }\n"],
    ["a place whose folders are not to be told apart", "docker:\n  r.test: { lookaside: 'file:///a%2Fb' }\n"],
    ["a place that is not escaped rightly", "docker:\n  r.test: { lookaside: 'file:///a%zz' }\n"],
    ["a place with a zero byte", "docker:\n  r.test: { lookaside: 'file:///a%00b' }\n"],
    ["another scheme", "docker:\n  r.test: { lookaside: 's3://bucket' }\n"],
    ["a switch that is a text", "docker:\n  r.test: { use-sigstore-attachments: 'maybe' }\n"],
    ["an empty scope", "docker:\n  '': { lookaside: file:///a }\n"],
    [
      "aliases of aliases",
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c]\n`,
    ],
  ])("is refused for %s", (_, text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "E_CONFIG_INVALID", exit: 2 }));
  });

  it("may name the default, or a scope, in one file alone", () => {
    const section = "default-docker:\n  lookaside: file:///a\n";
    expect(() => read(section, section)).toThrow(/default-docker is defined in 0.yaml and again in 1.yaml/);
    expect(() => read(section, "docker:\n  r.test: { lookaside: file:///b }\n")).not.toThrow();
  });

  it.each([
    ["docker:\n  r.test: { lookaside_staging: file:///a }\n", "lookaside-staging"],
    ["docker:\n  r.test: { sigstor: file:///a }\n", "sigstore"],
    ["docker:\n  r.test: { use-sigstore-attachment: true }\n", "use-sigstore-attachments"],
    ["default_docker:\n  lookaside: file:///a\n", "default-docker"],
    ["dokcer:\n  r.test: { lookaside: file:///a }\n", "docker"],
  ])("warns of a key that nobody reads, and names the nearest: %j", (text, meant) => {
    expect(read(text).warnings.join()).toContain(`it may be meant to be ${meant}`);
  });

  it("is read, or refused with a code, whatever stands in a file", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `docker: {"r.test": ${json}}`),
        ),
        (text) => {
          try {
            return read(text).warnings.length >= 0;
          } catch (error) {
            return isCountersignError(error) && error.code === "E_CONFIG_INVALID";
          }
        },
      ),
    );
  });

  it("is found again as it is written for others", () => {
    const path = fc.stringMatching(/^[a-z0-9]{2,8}(\/[a-z0-9]{1,8}){0,2}$/);
    fc.assert(
      fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 4 }), (paths) => {
        const images = paths.map((each) => reference(`r.test:5000/${each}:1`));
        const configuration = read(new TextDecoder().decode(encodeRegistriesD(images, "https://s.test/a b%20c")));
        expect(images.map((image) => configuration.lookup(scopesOf(image), "read"))).toEqual(
          images.map(() => "https://s.test/a b%20c"),
        );
      }),
    );
  });
});
