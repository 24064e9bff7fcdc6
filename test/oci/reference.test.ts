import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { formatReference, parseReference, parseRepository, type Reference } from "../../src/oci/reference.ts";

const D = `sha256:${"a".repeat(64)}`;
const LONG = `sha512:${"b".repeat(128)}`;

/** What go-containerregistry 0.21.7, which cosign 3.1.2 is built with, made of each: Context().Name() and Identifier(). */
const agreed: readonly (readonly [text: string, name: string, identifier: string])[] = [
  ["alpine", "index.docker.io/library/alpine", "latest"],
  ["alpine:3.20", "index.docker.io/library/alpine", "3.20"],
  ["alpine:latest", "index.docker.io/library/alpine", "latest"],
  ["library/alpine", "index.docker.io/library/alpine", "latest"],
  ["docker.io/alpine", "index.docker.io/library/alpine", "latest"],
  ["docker.io/library/alpine:3", "index.docker.io/library/alpine", "3"],
  ["docker.io/grafana/grafana", "index.docker.io/grafana/grafana", "latest"],
  ["index.docker.io/alpine", "index.docker.io/library/alpine", "latest"],
  ["index.docker.io/library/alpine", "index.docker.io/library/alpine", "latest"],
  ["index.docker.io/a/b/c", "index.docker.io/a/b/c", "latest"],
  ["registry-1.docker.io/library/alpine", "registry-1.docker.io/library/alpine", "latest"],
  ["registry-1.docker.io/alpine", "registry-1.docker.io/alpine", "latest"],
  ["docker.io:443/alpine", "docker.io:443/alpine", "latest"],
  ["grafana/grafana", "index.docker.io/grafana/grafana", "latest"],
  ["grafana/grafana:11.1.0", "index.docker.io/grafana/grafana", "11.1.0"],
  ["a/b", "index.docker.io/a/b", "latest"],
  ["a/b/c", "index.docker.io/a/b/c", "latest"],
  ["foo/bar/baz/qux:tag", "index.docker.io/foo/bar/baz/qux", "tag"],
  ["ghcr.io/org/app", "ghcr.io/org/app", "latest"],
  ["ghcr.io/org/app:v1.2.3", "ghcr.io/org/app", "v1.2.3"],
  ["gcr.io/google.com/project-id/hello-world", "gcr.io/google.com/project-id/hello-world", "latest"],
  ["us.gcr.io/project-id/sub-repo", "us.gcr.io/project-id/sub-repo", "latest"],
  ["mirror.gcr.io/ubuntu", "mirror.gcr.io/ubuntu", "latest"],
  ["quay.io/prometheus/node-exporter:v1.8.2", "quay.io/prometheus/node-exporter", "v1.8.2"],
  ["registry.example.com/app", "registry.example.com/app", "latest"],
  ["registry.example.com/team/app:1.2", "registry.example.com/team/app", "1.2"],
  ["registry.example.com:5000/app", "registry.example.com:5000/app", "latest"],
  ["registry.example.com:5000/team/app:1.2", "registry.example.com:5000/team/app", "1.2"],
  ["registry.example.com:443/app", "registry.example.com:443/app", "latest"],
  ["REGISTRY.example.com/app", "REGISTRY.example.com/app", "latest"],
  ["Registry.Example.COM:5000/app:X", "Registry.Example.COM:5000/app", "X"],
  ["localhost/app", "localhost/app", "latest"],
  ["localhost:5000/app", "localhost:5000/app", "latest"],
  ["localhost:5000/team/app:tag", "localhost:5000/team/app", "tag"],
  ["localhost:5000", "index.docker.io/library/localhost", "5000"],
  ["localhost", "index.docker.io/library/localhost", "latest"],
  ["local/app", "index.docker.io/local/app", "latest"],
  ["localhost.localdomain/app", "localhost.localdomain/app", "latest"],
  ["127.0.0.1/app", "127.0.0.1/app", "latest"],
  ["127.0.0.1:5000/app:1", "127.0.0.1:5000/app", "1"],
  ["10.2.3.4:5000/app", "10.2.3.4:5000/app", "latest"],
  ["192.168.0.1/team/app", "192.168.0.1/team/app", "latest"],
  ["[::1]/app", "[::1]/app", "latest"],
  ["[::1]:5000/app", "[::1]:5000/app", "latest"],
  ["[::1]:5000/app:1", "[::1]:5000/app", "1"],
  ["[2001:db8::1]:5000/team/app", "[2001:db8::1]:5000/team/app", "latest"],
  ["[2001:db8::1]/team/app:1.0", "[2001:db8::1]/team/app", "1.0"],
  ["registry:5000/app", "registry:5000/app", "latest"],
  ["registry:5000/team/app", "registry:5000/team/app", "latest"],
  ["my_registry:5000/app", "my_registry:5000/app", "latest"],
  ["my-registry:80/app", "my-registry:80/app", "latest"],
  ["under_score.example.com/app", "under_score.example.com/app", "latest"],
  ["xn--bcher-kva.example/app", "xn--bcher-kva.example/app", "latest"],
  ["a.b/cd", "a.b/cd", "latest"],
  ["a.b.c.d/ef:gh", "a.b.c.d/ef", "gh"],
  ["ubuntu:24.04", "index.docker.io/library/ubuntu", "24.04"],
  ["ubuntu:V1", "index.docker.io/library/ubuntu", "V1"],
  ["ubuntu:_x", "index.docker.io/library/ubuntu", "_x"],
  ["ubuntu:1.0-rc_1", "index.docker.io/library/ubuntu", "1.0-rc_1"],
  ["foo_bar/app", "index.docker.io/foo_bar/app", "latest"],
  ["foo__bar/app", "index.docker.io/foo__bar/app", "latest"],
  ["foo---bar/app", "index.docker.io/foo---bar/app", "latest"],
  ["foo.bar.baz/app", "foo.bar.baz/app", "latest"],
  ["team/foo.bar", "index.docker.io/team/foo.bar", "latest"],
  ["team/foo_bar-baz.qux", "index.docker.io/team/foo_bar-baz.qux", "latest"],
  ["team/a--b__c.d", "index.docker.io/team/a--b__c.d", "latest"],
  ["0/1", "index.docker.io/0/1", "latest"],
  ["123/456:789", "index.docker.io/123/456", "789"],
  [`alpine@${D}`, "index.docker.io/library/alpine", D],
  [`alpine:3.20@${D}`, "index.docker.io/library/alpine", D],
  [`docker.io/alpine:3@${D}`, "index.docker.io/library/alpine", D],
  [`ghcr.io/org/app@${D}`, "ghcr.io/org/app", D],
  [`ghcr.io/org/app:v1@${D}`, "ghcr.io/org/app", D],
  [`localhost:5000/app@${D}`, "localhost:5000/app", D],
  [`localhost:5000/app:1@${D}`, "localhost:5000/app", D],
  [`[::1]:5000/app:1@${D}`, "[::1]:5000/app", D],
  [`registry.example.com:5000/team/app:1.2@${D}`, "registry.example.com:5000/team/app", D],
  ["oci", "index.docker.io/library/oci", "latest"],
  ["oci/app", "index.docker.io/oci/app", "latest"],
  ["oci.example/app", "oci.example/app", "latest"],
  ["a1", "index.docker.io/library/a1", "latest"],
  ["ab", "index.docker.io/library/ab", "latest"],
  ["registry.example.com/ab", "registry.example.com/ab", "latest"],
  [`r/${"x".repeat(253)}`, `index.docker.io/r/${"x".repeat(253)}`, "latest"],
  [`registry.example.com/${"x".repeat(255)}`, `registry.example.com/${"x".repeat(255)}`, "latest"],
  [`app:${"t".repeat(128)}`, "index.docker.io/library/app", "t".repeat(128)],
];

/** go-containerregistry refuses these, too. The second text is of the hint: what the reader is told to do. */
const refused: readonly (readonly [text: string, hint: RegExp])[] = [
  ["", /write REGISTRY\/REPOSITORY:TAG/],
  [" alpine", /remove the space/],
  ["alpine ", /remove the space/],
  ["al pine", /lower-case letters and digits/],
  ["Alpine", /write "alpine"/],
  ["team/App", /write "app"/],
  ["ghcr.io/Org/app", /write "org"/],
  ["http://localhost:5000/app", /leave out http:\/\//],
  ["a", /from 2 to 255/],
  ["registry.example.com/a", /from 2 to 255/],
  ["registry.example.com/", /write REGISTRY\/REPOSITORY:TAG/],
  ["registry.example.com:5000/", /write REGISTRY\/REPOSITORY:TAG/],
  ["docker.io/", /write REGISTRY\/REPOSITORY:TAG/],
  ["/", /slash/],
  ["alpine:", /leave the colon out/],
  [`alpine:@${D}`, /leave the colon out/],
  ["alpine:tag:tag", /a tag only at the end/],
  ["alpine:t/ag", /HOST:PORT/],
  ["alpine:ta g", /write letters, digits/],
  [`alpine:${"t".repeat(129)}`, /at most 128/],
  ["alpine@sha256:abc", /64 lower-case hex digits/],
  [`alpine@sha256:${"A".repeat(64)}`, /lower case/],
  [`alpine@${D}0`, /64 lower-case hex digits/],
  ["alpine@md5:d41d8cd98f00b204e9800998ecf8427e", /64 lower-case hex digits/],
  ["alpine@", /64 lower-case hex digits/],
  [`alpine@${D}@${D}`, /lower-case letters and digits/],
  [`alpine@${D}:tag`, /64 lower-case hex digits/],
  [`@${D}`, /write REGISTRY\/REPOSITORY:TAG/],
  [":tag", /write REGISTRY\/REPOSITORY:TAG/],
  ["registry.example.com:port/app", /from 1 to 65535/],
  ["registry.example.com:-1/app", /from 1 to 65535/],
  ["[::1/app", /brackets/],
  ["[zz]:5000/app", /HOST/],
  ["[fe80::1%25eth0]/app", /HOST|brackets/],
  ["%41.example/app", /HOST/],
  ["user:pass@registry.example.com/app", /64 lower-case hex digits/],
  ["registry.example.com/app?x=1", /lower-case letters and digits/],
  ["registry.example.com/app#x", /lower-case letters and digits/],
  ["registry.example.com\\app", /lower-case letters and digits/],
  ["team/äpp", /lower-case letters and digits/],
  ["gcr?.io/app", /HOST/],
  ["alpine:täg", /write letters, digits/],
  ["team/app!", /lower-case letters and digits/],
  ["host name.example/app", /HOST/],
  ["alpine\n", /end of line/],
  ["al\tpine", /remove it/],
  ["alpine\u0000", /remove it/],
  [`r/${"x".repeat(254)}`, /from 2 to 255/],
  [`registry.example.com/${"x".repeat(256)}`, /from 2 to 255/],
  ["x".repeat(256), /from 2 to 255/],
];

/** go-containerregistry takes these, but no registry has such names, or they are not connected to as they are written. */
const refusedHere: readonly (readonly [text: string, hint: RegExp])[] = [
  ["https://ghcr.io/org/app", /leave out https:\/\//],
  ["docker://alpine", /leave out docker:\/\//],
  ["/alpine", /one slash/],
  ["team/", /last slash/],
  ["team/app/", /last slash/],
  ["team//app", /one slash/],
  ["registry.example.com//app", /one slash/],
  ["team/./app", /oci:PATH/],
  ["team/../app", /oci:PATH/],
  ["../app", /HOST/],
  ["./app", /HOST/],
  ["_foo/app", /only between them/],
  ["-foo/app", /--name VALUE/],
  ["team/-app", /only between them/],
  ["team/app-", /only between them/],
  ["team/.app", /only between them/],
  ["team/a..b", /only between them/],
  ["team/a___b", /only between them/],
  ["team/a.-b", /only between them/],
  ["alpine:.x", /the first a letter/],
  ["alpine:-x", /the first a letter/],
  ["registry.example.com:/app", /from 1 to 65535/],
  ["registry.example.com:0/app", /from 1 to 65535/],
  ["registry.example.com:65536/app", /from 1 to 65535/],
  ["registry.example.com:05000/app", /from 1 to 65535/],
  ["registry.example.com./app", /HOST/],
  [".example.com/app", /HOST/],
  ["a..b/app", /HOST/],
  ["-a.example/app", /--name VALUE/],
  ["a-.example/app", /HOST/],
  ["exämple.com/app", /HOST/],
  ["127.1/app", /write 127\.0\.0\.1/],
  ["0x7f.0.0.1/app", /write 127\.0\.0\.1/],
  ["017700000001.1/app", /in full/],
  ["1.2.3.256/app", /in full/],
  ["::1/app", /brackets/],
  ["x".repeat(255), /from 2 to 255/],
];

function refusal(text: string, parse: (text: string) => unknown = parseReference) {
  try {
    parse(text);
  } catch (error) {
    if (isCountersignError(error)) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(text)} was accepted`);
}

describe("a reference that docker and cosign take", () => {
  it.each(agreed)("reads %s as they do", (text, name, identifier) => {
    const reference = parseReference(text);
    expect([reference.name, reference.digest ?? reference.tag]).toEqual([name, identifier]);
  });

  it("splits registry and repository where the name has its first slash", () => {
    expect(parseReference("localhost:5000/team/app:1")).toEqual({
      kind: "registry",
      registry: "localhost:5000",
      repository: "team/app",
      name: "localhost:5000/team/app",
      tag: "1",
      digest: undefined,
    });
  });

  it("keeps the tag beside a digest, and makes up none", () => {
    expect(parseReference(`alpine:3.20@${D}`)).toMatchObject({ tag: "3.20", digest: D });
    expect(parseReference(`alpine@${D}`).tag).toBeUndefined();
  });

  it("takes sha512 digests, which cosign does not", () => {
    expect(parseReference(`alpine:3@${LONG}`)).toMatchObject({ tag: "3", digest: LONG });
  });
});

describe("a reference that is none", () => {
  it.each([...refused, ...refusedHere])("refuses %j with the mend", (text, hint) => {
    const error = refusal(text);
    expect(error.code).toBe("E_REFERENCE_INVALID");
    expect(error.exit).toBe(2);
    expect(error.hint).toMatch(hint);
  });

  it("names the offending value without its control characters", () => {
    expect(refusal("alp\u001b[31mine\u009b").message).not.toMatch(/[\u0000-\u001f]/);
  });

  it("repeats no password", () => {
    for (const text of ["https://me:s3cret@ghcr.io/app", "me:s3cret@ghcr.io/app", "docker://me:s3cret@ghcr.io/app:1"]) {
      const { message, hint } = refusal(text);
      expect(`${message} ${hint}`).not.toContain("s3cret");
    }
  });

  it("is cut short in the message", () => {
    expect(refusal("x".repeat(100_000)).message.length).toBeLessThan(300);
    expect(refusal(`alpine:${"t".repeat(4000)}`).message.length).toBeLessThan(300);
  });
});

describe("a layout folder", () => {
  it.each([
    ["oci:dir", "dir", "latest", undefined],
    ["oci:dir:v1", "dir", "v1", undefined],
    ["oci:/var/lib/images:1.2", "/var/lib/images", "1.2", undefined],
    ["oci:./out/", "./out", "latest", undefined],
    ["oci:../out/:v1", "../out", "v1", undefined],
    ["oci:/", "/", "latest", undefined],
    ["oci:.", ".", "latest", undefined],
    ["oci:a:b/c", "a:b/c", "latest", undefined],
    ["oci:a:b:c", "a:b", "c", undefined],
    ["oci:with space/Upper", "with space/Upper", "latest", undefined],
    ["oci:me@home/out", "me@home/out", "latest", undefined],
    ["oci:me@home/:v1", "me@home/", "v1", undefined],
    [`oci:dir@${D}`, "dir", undefined, D],
    [`oci:dir:v1@${D}`, "dir", "v1", D],
    [`oci:me@home/out:v1@${LONG}`, "me@home/out", "v1", LONG],
  ])("reads %s", (text, path, tag, digest) => {
    expect(parseReference(text)).toEqual({ kind: "layout", path, name: `oci:${path}`, tag, digest });
  });

  it.each([
    ["oci:", /oci:PATH/],
    ["oci::v1", /oci:PATH/],
    ["oci:dir:", /colon/],
    ["oci:dir:a b", /write letters/],
    ["oci:dir@v1", /64 lower-case hex digits/],
    ["oci:dir\n", /remove it/],
    [`oci:${"x".repeat(5000)}`, /write/],
  ])("refuses %j with the mend", (text, hint) => {
    const error = refusal(text);
    expect(error.code).toBe("E_REFERENCE_INVALID");
    expect(error.hint).toMatch(hint);
  });
});

describe("a whole repository", () => {
  it("has neither tag nor digest", () => {
    expect(parseRepository("alpine")).toEqual({
      kind: "registry",
      registry: "index.docker.io",
      repository: "library/alpine",
      name: "index.docker.io/library/alpine",
    });
    expect(parseRepository("[::1]:5000/team/app").name).toBe("[::1]:5000/team/app");
    expect(parseRepository("oci:out/")).toEqual({ kind: "layout", path: "out", name: "oci:out" });
  });

  it.each(["alpine:3", `alpine@${D}`, "oci:dir:v1", `oci:dir@${D}`, "localhost:5000"])(
    "refuses %s, which names one image",
    (text) => {
      expect(refusal(text, parseRepository).hint).toMatch(/leave out the tag and the digest/);
    },
  );
});

describe("any text", () => {
  const alphabet = fc.constantFrom(
    ..."ab0A.-_/:@[] %",
    "oci:",
    "sha256:",
    D,
    LONG,
    "localhost",
    "::1",
    "docker.io",
    "\n",
    "é",
    "//",
  );
  const text = fc.oneof(
    fc.array(alphabet, { maxLength: 12 }).map((parts) => parts.join("")),
    fc.string({ unit: "binary", maxLength: 40 }),
  );

  it("is read, or refused with E_REFERENCE_INVALID and a hint", () => {
    fc.assert(
      fc.property(text, (written) => {
        for (const parse of [parseReference, parseRepository]) {
          const outcome = attempt(() => parse(written));
          if ("error" in outcome) expect(outcome.error).toEqual(["E_REFERENCE_INVALID", expect.any(String)]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("that is read comes back from its own canonical text", () => {
    let read = 0;
    fc.assert(
      fc.property(text, (written) => {
        const outcome = attempt(() => parseReference(written));
        if ("error" in outcome) return;
        read += 1;
        expect(parseReference(formatReference(outcome.reference))).toEqual(outcome.reference);
      }),
      { numRuns: 3000 },
    );
    expect(read).toBeGreaterThan(50);
  });

  it("of valid parts is read into these parts", () => {
    const word = fc.stringMatching(/^[a-z0-9]{2,8}$/);
    const path = fc.array(
      fc.tuple(word, fc.constantFrom("", ".", "_", "__", "-", "---"), word).map((parts) => parts.join("")),
      {
        minLength: 2,
        maxLength: 4,
      },
    );
    const host = fc.constantFrom("localhost", "a.example", "10.0.0.1", "[::1]", "[2001:db8::2]");
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
    const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/), { nil: undefined });
    const digest = fc.constantFrom(undefined, D, LONG);
    fc.assert(
      fc.property(host, port, path, tag, digest, (name, number, parts, wanted, pinned) => {
        const registry = number === undefined ? name : `${name}:${number}`;
        const repository = parts.join("/");
        const written = `${registry}/${repository}${wanted ? `:${wanted}` : ""}${pinned ? `@${pinned}` : ""}`;
        expect(parseReference(written)).toEqual({
          kind: "registry",
          registry,
          repository,
          name: `${registry}/${repository}`,
          tag: wanted ?? (pinned ? undefined : "latest"),
          digest: pinned,
        });
      }),
    );
  });
});

function attempt(work: () => Reference): { reference: Reference } | { error: readonly unknown[] } {
  try {
    return { reference: work() };
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    return { error: [error.code, error.hint] };
  }
}
