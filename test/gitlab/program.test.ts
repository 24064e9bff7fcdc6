import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Handler, type Served, type ServedRequest, type ServedResponse, serve } from "../../src/platform/serve.ts";
import { run } from "../interop/support/run.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { runScript } from "./support/templates.ts";

// Where a job gets the program: each source against a server of this test, good and bad.

const commit = "0123456789abcdef0123456789abcdef01234567";
const files: Readonly<Record<string, string>> = {
  "index.js": 'import("./part.js").then(({ word }) => console.log("RAN " + word));\n',
  "part.js": 'export const word = "it";\n',
  "package.json": '{"type":"module"}\n',
};
const hexOf = (text: string | Uint8Array, hash = "sha256") => createHash(hash).update(text).digest("hex");

let folder: string;
let server: Served | undefined;
let requests: ServedRequest[];

beforeEach(() => {
  folder = temporaryFolder();
  requests = [];
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Serves what `answer` gives for a path with its query, 404 for the rest; its address. */
async function listen(answer: (target: string, request: ServedRequest) => Answer | undefined): Promise<string> {
  const handle: Handler = async (request) => {
    requests.push(request);
    const {
      status = 200,
      headers = {},
      body,
    } = answer(request.url.pathname + request.url.search, request) ?? { status: 404 };
    return { status, headers, body };
  };
  server = await serve(handle);
  return server.origin;
}
type Answer = Partial<ServedResponse>;

function job(program: string, env: Record<string, string> = {}) {
  return runScript({ verb: "verify", inputs: { program, images: "a" }, env, cwd: folder });
}

const ran = expect.objectContaining({ exitCode: 0, stdout: expect.stringMatching(/^RAN it$/m), stderr: "" });
const stopped = (status: number, code: string, words: string) =>
  expect.objectContaining({
    exitCode: status,
    stdout: "",
    stderr: expect.stringMatching(new RegExp(`^countersign: ${code}: .*${words}.*\n {2}mend: .+\n$`)),
  });

/** A tar.gz by GNU tar, as users make it. */
async function pack(at = "dist", more: readonly string[] = []): Promise<Uint8Array> {
  const work = temporaryFolder();
  mkdirSync(path.join(work, at), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(work, at, name), text);
  writeFileSync(path.join(work, "README.md"), "not the program\n");
  const done = await run("/usr/bin/tar", ["-czf", "p.tar.gz", "README.md", at.split("/")[0] ?? at, ...more], {
    cwd: work,
    env: { PATH: "/usr/bin:/bin" },
  });
  if (done.exitCode !== 0) throw new Error(done.stderr);
  return readFileSync(path.join(work, "p.tar.gz"));
}

describe("the program from a mirror", () => {
  it.each(["dist", "countersign-0.1.0/dist"])("runs when its hash is right, packed as %s", async (at) => {
    const bytes = await pack(at);
    const origin = await listen((target) => (target === "/p.tar.gz" ? { body: bytes } : undefined));
    expect(await job(`${origin}/p.tar.gz#sha256=${hexOf(bytes)}`)).toEqual(ran);
    expect(
      await job(`${origin}/p.tar.gz#sha512-${Buffer.from(hexOf(bytes, "sha512"), "hex").toString("base64")}`),
    ).toEqual(ran);
  });

  it("does not run when its hash is wrong, and says both", async () => {
    const bytes = await pack();
    const origin = await listen(() => ({ body: bytes }));
    const wrong = "0".repeat(64);
    const done = await job(`${origin}/p.tar.gz#sha256=${wrong}`);
    expect(done).toEqual(
      stopped(1, "E_DIGEST_MISMATCH", `wanted sha256=${wrong}, got sha256=${hexOf(bytes)}; nothing of it was run`),
    );
  });

  it("needs a hash, and a whole one", async () => {
    expect(await job("https://mirror.example.test/p.tar.gz")).toEqual(stopped(2, "E_USAGE", "has no hash"));
    for (const hash of ["", "sha256=12", "md5=0123", "sha512-AAAA", `sha256=${"0".repeat(63)}`]) {
      expect(await job(`https://mirror.example.test/p.tar.gz#${hash}`)).toEqual(stopped(2, "E_USAGE", "is no hash"));
    }
  });

  it("is asked for again while the server fails or throttles, then could not be told", async () => {
    const bytes = await pack();
    let left = 2;
    const origin = await listen(() => (left-- > 0 ? { status: left === 1 ? 503 : 429 } : { body: bytes }));
    expect(await job(`${origin}/p.tar.gz#sha256=${hexOf(bytes)}`)).toEqual(ran);
    expect(requests).toHaveLength(3);
    left = 100;
    expect(await job(`${origin}/p.tar.gz#sha256=${hexOf(bytes)}`)).toEqual(stopped(3, "E_NETWORK", "answers 429"));
    await server?.close();
    expect(await job(`${origin}/p.tar.gz#sha256=${hexOf(bytes)}`)).toEqual(stopped(3, "E_NETWORK", "ECONNREFUSED"));
  });

  it("names the status when there is none", async () => {
    const origin = await listen(() => undefined);
    expect(await job(`${origin}/p.tar.gz#sha256=${"0".repeat(64)}`)).toEqual(
      stopped(2, "E_FILE_UNREADABLE", "answers 404"),
    );
  });

  it.each([
    ["no archive", Buffer.from("<html>sign in</html>"), "is no tar.gz of dist/"],
    ["an archive of something else", gzipSync(Buffer.alloc(1024)), "holds no dist/"],
    ["cut short", undefined, "is no tar.gz of dist/"],
  ])("is refused when it is %s, though the hash is right", async (_, content, words) => {
    const bytes = content ?? (await pack()).subarray(0, 200);
    const origin = await listen(() => ({ body: bytes }));
    expect(await job(`${origin}/p.tar.gz#sha256=${hexOf(bytes)}`)).toEqual(stopped(2, "E_FILE_UNREADABLE", words));
  });

  it("never unpacks what is no plain file of dist/: links, other folders, names that lead out", async () => {
    const header = (name: string, type: string, link: string, body: string) => {
      const block = Buffer.alloc(512);
      block.write(name, 0);
      block.write("0000644\0", 100);
      block.write(`${Buffer.byteLength(body).toString(8).padStart(11, "0")}\0`, 124);
      block.write(type, 156);
      block.write(link, 157);
      block.write("ustar\0", 257);
      return Buffer.concat([block, Buffer.from(body), Buffer.alloc((512 - (Buffer.byteLength(body) % 512)) % 512)]);
    };
    const bad = "process.exit(99);";
    const bytes = gzipSync(
      Buffer.concat([
        header("dist/index.js", "2", "/etc/passwd", ""),
        header("../dist/part.js", "0", "", bad),
        header("dist/../../escape.js", "0", "", bad),
        header("other/index.js", "0", "", bad),
        header("dist/.hidden", "0", "", bad),
        ...Object.entries(files).map(([name, text]) => header(`dist/${name}`, "0", "", text)),
        Buffer.alloc(1024),
      ]),
    );
    const origin = await listen(() => ({ body: bytes }));
    const done = await job(`${origin}/p.tar.gz#sha256=${hexOf(bytes)}`);
    // "../dist/x" is the archive's own folder by another name: the file that comes second is refused.
    expect(done).toEqual(stopped(2, "E_FILE_UNREADABLE", "EEXIST"));
  });
});

describe("the program from a project of the instance", () => {
  const list = JSON.stringify(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, hexOf(text)])));
  const fileOf = (name: string) =>
    `/api/v4/projects/security%2Fcountersign/repository/files/dist%2F${name}/raw?ref=${commit}`;
  const content = (target: string): Answer | undefined => {
    const found = Object.entries({ ...files, "files.json": list }).find(([name]) => target === fileOf(name));
    return found && { body: found[1] };
  };
  const instance = (origin: string) => ({ CI_API_V4_URL: `${origin}/api/v4`, CI_JOB_TOKEN: "glcbt-secret" });

  it("is fetched file by file at the commit, by the job's token", async () => {
    const origin = await listen((target, { headers }) =>
      headers["job-token"] === "glcbt-secret" ? content(target) : { status: 401 },
    );
    expect(await job(`project:security/countersign@${commit}`, instance(origin))).toEqual(ran);
    expect(requests).toHaveLength(4);
  });

  it("is the component's own commit where none is written", async () => {
    const origin = await listen(content);
    const env = { ...instance(origin), COUNTERSIGN_INPUT_COMMIT: commit };
    expect(await job("project:security/countersign", env)).toEqual(ran);
    expect(await job("project:security/countersign", instance(origin))).toEqual(
      stopped(2, "E_USAGE", "at a whole commit"),
    );
    expect(await job("project:security/countersign@main", instance(origin))).toEqual(
      stopped(2, "E_USAGE", "at a whole commit"),
    );
  });

  it("is asked for without the token where that is refused, as for public projects", async () => {
    const origin = await listen((target, { headers }) =>
      headers["job-token"] === undefined ? content(target) : { status: 404 },
    );
    expect(await job(`project:security/countersign@${commit}`, instance(origin))).toEqual(ran);
  });

  it("names the job token permissions when nothing helps, and shows no token", async () => {
    const origin = await listen(() => ({ status: 404 }));
    const done = await job(`project:security/countersign@${commit}`, instance(origin));
    expect(done).toEqual(stopped(2, "E_FILE_UNREADABLE", "answers 404"));
    expect(done.stderr).toContain("job token permissions");
    expect(done.stdout + done.stderr).not.toContain("glcbt-secret");
  });

  it("takes its token to no other server, along a redirect neither", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve(async ({ headers, url }) => {
      seen.push(headers["job-token"]);
      return { status: 200, headers: {}, body: url.pathname === "/files.json" ? list : files[url.pathname.slice(1)] };
    });
    try {
      const origin = await listen((target) => {
        const name = /dist%2F([^/]+)\/raw/.exec(target)?.[1];
        return { status: 302, headers: { location: `${other.origin}/${name}` } };
      });
      expect(await job(`project:security/countersign@${commit}`, instance(origin))).toEqual(ran);
      expect(seen).toEqual([undefined, undefined, undefined, undefined]);
      expect(requests.every(({ headers }) => headers["job-token"] === "glcbt-secret")).toBe(true);
    } finally {
      await other.close();
    }
  });

  it("does not run when a file is not what dist/files.json says", async () => {
    const origin = await listen((target) => (target === fileOf("part.js") ? { body: "half" } : content(target)));
    expect(await job(`project:security/countersign@${commit}`, instance(origin))).toEqual(
      stopped(1, "E_DIGEST_MISMATCH", "dist/part.js of security/countersign is not what it should be"),
    );
  });

  it.each(["", "[]", "{}", '{"../x":"00"}', '{"index.js":1}'])("refuses the list %j", async (text) => {
    const origin = await listen(() => ({ body: text }));
    expect(await job(`project:security/countersign@${commit}`, instance(origin))).toEqual(
      stopped(1, "E_DIGEST_MISMATCH", "is no list of files"),
    );
  });
});

describe("the program from npm", () => {
  async function registry(bytes: Uint8Array): Promise<string> {
    const origin: string = await listen((target) => {
      if (target === "/countersign/-/countersign-1.2.3.tgz") return { body: bytes };
      if (target !== "/countersign") return undefined;
      const dist = { tarball: `${server?.origin}/countersign/-/countersign-1.2.3.tgz`, shasum: hexOf(bytes, "sha1") };
      const version = { name: "countersign", version: "1.2.3", dist };
      return {
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "countersign", "dist-tags": { latest: "1.2.3" }, versions: { "1.2.3": version } }),
      };
    });
    return origin;
  }
  const sri = (bytes: Uint8Array) => `sha512-${Buffer.from(hexOf(bytes, "sha512"), "hex").toString("base64")}`;

  it("runs when its integrity is right, from the registry that npm is set to; the working folder's settings do not count", async () => {
    const bytes = await pack("package/dist");
    const origin = await registry(bytes);
    const source = `npm:countersign@1.2.3#${sri(bytes)}`;
    expect(await job(source, { npm_config_registry: origin })).toEqual(ran);
    const home = temporaryFolder();
    writeFileSync(path.join(home, ".npmrc"), `registry=${origin}/\n`);
    writeFileSync(path.join(folder, ".npmrc"), "registry=http://127.0.0.1:1/\n");
    expect(await job(source, { HOME: home })).toEqual(ran);
  });

  it("does not run when its integrity is wrong, and says both", async () => {
    const bytes = await pack("package/dist");
    const origin = await registry(bytes);
    const done = await job(`npm:countersign@1.2.3#${sri(Buffer.from("other"))}`, { npm_config_registry: origin });
    expect(done).toEqual(
      stopped(
        1,
        "E_DIGEST_MISMATCH",
        `wanted sha512=${hexOf("other", "sha512")}, got sha512=${hexOf(bytes, "sha512")}`,
      ),
    );
  });

  it("is not there in that version", async () => {
    const bytes = await pack("package/dist");
    const origin = await registry(bytes);
    const done = await job(`npm:countersign@9.9.9#${sri(bytes)}`, { npm_config_registry: origin });
    expect(done).toEqual(stopped(2, "E_FILE_UNREADABLE", "npm pack countersign@9.9.9"));
  });

  it.each(["npm:countersign", "npm:countersign@latest#sha512-AA", `npm:--x@1.2.3#sha256=${"0".repeat(64)}`])(
    "takes no %s",
    async (program) => {
      expect(await job(program)).toEqual(stopped(2, "E_USAGE", "(?:names no version with its hash|is no hash)"));
    },
  );
});

describe("the program that is there already", () => {
  it("is named by its whole path", async () => {
    writeFileSync(path.join(folder, "index.mjs"), 'console.log("RAN it")');
    expect(await job(`path:${path.join(folder, "index.mjs")}`)).toEqual(ran);
    expect(await job("path:index.mjs")).toEqual(stopped(2, "E_FILE_UNREADABLE", "the program is not at index.mjs"));
    expect(await job("dist/index.js")).toEqual(stopped(2, "E_USAGE", "names no source"));
  });
});
