// Gets the program for a job of the GitLab templates, checks it, and puts it into a folder. The templates carry this file word
// for word, since a job has nothing else yet; it imports Node.js alone and runs nothing of what it fetched.
import { execFile } from "node:child_process";
import { createHash, timingSafeEqual } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";

const MiB = 1024 * 1024;
const LIMITS = { download: 32 * MiB, unpacked: 96 * MiB, files: 500, redirects: 5, attempts: 4, wait: 60_000 };

/** Why a job stops before the program runs: a code of docs/troubleshooting.md, a sentence, the mend, the exit status. */
export class Stop extends Error {
  constructor(code, status, sentence, mend) {
    super(sentence);
    Object.assign(this, { code, status, mend });
  }
}
const misuse = (sentence, mend) => new Stop("E_USAGE", 2, sentence, mend);

const forms =
  "write project:GROUP/PROJECT@COMMIT, npm:NAME@VERSION#sha512-…, https://…/countersign.tar.gz#sha256=… or path:/…/dist/index.js";

/** The path of the program's index.js that the input `program` names, fetched into `folder` unless it is there already. */
export async function getProgram(source, folder, env) {
  const [, kind, rest] = /^(project|npm|path):(.+)$/s.exec(source) ?? [];
  if (kind === "path") return present(rest);
  const target = path.join(folder, "dist");
  await mkdir(target);
  if (kind === "project") await fromProject(rest, target, env);
  else if (kind === "npm") await fromNpm(rest, folder, target, env);
  else if (/^https?:\/\//.test(source)) await fromMirror(source, target, env);
  else throw misuse("the input program names no source of the program", forms);
  return present(path.join(target, "index.js"));
}

async function present(file) {
  const found = path.isAbsolute(file) ? await stat(file).catch(() => undefined) : undefined;
  if (found?.isFile()) return file;
  throw new Stop("E_FILE_UNREADABLE", 2, `the program is not at ${show(file)}`, forms);
}

/** Each file of dist/ at one commit of a project of this instance, against the sizes and hashes that dist/files.json has. */
async function fromProject(text, target, env) {
  const [, project, commit = env.COUNTERSIGN_INPUT_COMMIT ?? ""] =
    /^([\w.-]+(?:\/[\w.-]+)+)(?:@(.*))?$/s.exec(text) ?? [];
  if (project === undefined || !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) {
    throw misuse(
      `project:${show(text)} names no project at a whole commit`,
      "write project:GROUP/PROJECT@ and the 40 hex digits of the commit; components know their own commit, a branch or tag can move",
    );
  }
  const api = env.CI_API_V4_URL;
  if (!api)
    throw misuse("CI_API_V4_URL is not set", "run this in a job of GitLab, or get the program by npm: or https:");
  const get = (name) => {
    const file = encodeURIComponent(`dist/${name}`);
    const url = `${api}/projects/${encodeURIComponent(project)}/repository/files/${file}/raw?ref=${commit}`;
    return download(
      url,
      env,
      "add this project to the job token permissions of the other, or check project and commit",
    );
  };
  const list = parseList(await get("files.json"), project);
  let next = 0;
  const worker = async () => {
    while (next < list.length) {
      const { name, sha256 } = list[next++];
      const bytes = await get(name);
      demand(`dist/${name} of ${project}`, bytes, { algorithm: "sha256", digest: Buffer.from(sha256, "hex") });
      await writeFile(path.join(target, name), bytes);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

function parseList(bytes, project) {
  let list;
  try {
    list = Object.entries(JSON.parse(bytes.toString("utf8"))).map(([name, sha256]) => ({ name, sha256 }));
  } catch {
    list = [];
  }
  const isFile = ({ name, sha256 }) => isPlain(name) && typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
  if (list.length > 0 && list.length <= LIMITS.files && list.every(isFile)) return list;
  throw new Stop(
    "E_DIGEST_MISMATCH",
    1,
    `dist/files.json of ${project} is no list of files`,
    "check project and commit",
  );
}

/** A version of a package, as npm itself gets it: registry, login and proxies are npm's own settings, none of the working folder's. */
async function fromNpm(text, folder, target, env) {
  const [, spec, hash] = /^((?:@[\w.-]+\/)?[A-Za-z0-9][\w.-]*@\d+\.\d+\.\d+[\w.+-]*)#(.+)$/s.exec(text) ?? [];
  if (spec === undefined) {
    throw misuse(
      `npm:${show(text)} names no version with its hash`,
      "write npm:NAME@1.2.3#sha512-…, as package-lock.json has it",
    );
  }
  const wanted = parseHash(hash);
  const empty = path.join(folder, "npm");
  await mkdir(empty);
  const args = ["pack", spec, "--ignore-scripts", "--loglevel=error", "--pack-destination", empty];
  const options = { cwd: empty, env: forNpm(env), timeout: 3 * LIMITS.wait, maxBuffer: MiB };
  await new Promise((resolve, reject) => {
    execFile("npm", args, options, (error, _, stderr) => {
      if (!error) return resolve();
      if (error.code === "ENOENT") {
        return reject(
          misuse(
            "npm is not in this job's image",
            "name another image by the input runner-image, or get the program by https:",
          ),
        );
      }
      const why = show(String(stderr).trim() || error.message);
      const mend = "check name and version, and npm_config_registry";
      // npm says "code E404"; whatever else it met may be gone the next time.
      return reject(
        /E40[0134]|ETARGET/.test(why)
          ? new Stop("E_FILE_UNREADABLE", 2, `npm pack ${spec}: ${why}`, mend)
          : new Stop("E_NETWORK", 3, `npm pack ${spec}: ${why}`, mend),
      );
    });
  });
  const [file, ...others] = (await readdir(empty)).filter((name) => name.endsWith(".tgz"));
  if (file === undefined || others.length > 0)
    throw new Stop("E_NETWORK", 3, `npm pack ${spec} left no package`, "try again");
  const bytes = await readFile(path.join(empty, file));
  demand(spec, bytes, wanted);
  await unpack(bytes, target, spec);
}

/** npm sees its own settings and the way to the network; no key of the job. */
function forNpm(env) {
  const wanted =
    /^(?:PATH|HOME|TMPDIR|LANG|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|NPM_TOKEN|(?:https?|no)_proxy|npm_config_.+)$/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => wanted.test(name)));
}

/** A tar.gz of dist/ anywhere, by its hash. */
async function fromMirror(text, target, env) {
  const at = text.indexOf("#");
  if (at < 0) throw misuse("the address of the program has no hash", "put #sha256= and the hash of the file behind it");
  const [url, wanted] = [text.slice(0, at), parseHash(text.slice(at + 1))];
  const bytes = await download(url, env, "check the address");
  demand(url, bytes, wanted);
  await unpack(bytes, target, url);
}

/** `sha256=HEX` or `sha512-BASE64`, and each the other way. */
export function parseHash(text) {
  const [, hexName, hex] = /^(sha256|sha512)[=:]([0-9a-f]+)$/i.exec(text) ?? [];
  const [, name, base64] = /^(sha256|sha512)-([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const algorithm = (hexName ?? name ?? "").toLowerCase();
  const digest = hex === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(hex, "hex");
  if (digest.length === { sha256: 32, sha512: 64 }[algorithm]) return { algorithm, digest };
  throw misuse(`${show(text)} is no hash`, "write sha256= with 64 hex digits, or sha512- with base64, as npm does");
}

function demand(what, bytes, { algorithm, digest }) {
  const found = createHash(algorithm).update(bytes).digest();
  if (timingSafeEqual(found, digest)) return;
  const write = (hash) => `${algorithm}=${hash.toString("hex")}`;
  throw new Stop(
    "E_DIGEST_MISMATCH",
    1,
    `${show(what)} is not what it should be: wanted ${write(digest)}, got ${write(found)}; nothing of it was run`,
    "find out who changed it; correct the hash only if you know why",
  );
}

/**
 * GET with a limit on size, time, redirects and attempts. The job's token goes to this instance's own API and nowhere else: not
 * along a redirect to storage elsewhere. Where the token is refused what is public is still asked for without it.
 */
async function download(url, env, mend) {
  const ours = env.CI_API_V4_URL && env.CI_JOB_TOKEN && url.startsWith(`${env.CI_API_V4_URL}/`);
  let answer = await request(url, ours ? { "JOB-TOKEN": env.CI_JOB_TOKEN } : {});
  if (ours && [401, 403, 404].includes(answer.status)) answer = await request(url, {});
  if (answer.status === 200) return answer.body;
  const sentence = `${show(url)} answers ${answer.status}`;
  if (answer.status === 429 || answer.status >= 500) throw new Stop("E_NETWORK", 3, sentence, "try again");
  throw new Stop("E_FILE_UNREADABLE", 2, sentence, mend);
}

async function request(url, headers) {
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      answer = await follow(url, headers);
    } catch (error) {
      if (error instanceof Stop) throw error;
      if (attempt >= LIMITS.attempts) {
        const why = error?.cause?.code ?? error?.name ?? "no answer";
        throw new Stop(
          "E_NETWORK",
          3,
          `${show(url)} cannot be reached: ${why}`,
          "try again; check proxy, DNS and certificates",
        );
      }
    }
    if (answer && (attempt >= LIMITS.attempts || (answer.status !== 429 && answer.status < 500))) return answer;
    await sleep(250 * 2 ** attempt * (0.5 + Math.random()));
  }
}

async function follow(start, given) {
  let [url, headers] = [new URL(start), given];
  for (let hop = 0; hop <= LIMITS.redirects; hop += 1) {
    const response = await fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(LIMITS.wait) });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) {
      return { status: response.status, body: await readBody(response, start) };
    }
    const next = new URL(location, url);
    if (next.origin !== url.origin) headers = {};
    if (next.protocol !== "https:" && next.protocol !== url.protocol) break;
    url = next;
  }
  throw new Stop(
    "E_NETWORK",
    3,
    `${show(start)} redirects without end, or away from HTTPS`,
    "name the file's own address",
  );
}

async function readBody(response, url) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LIMITS.download)
      throw new Stop(
        "E_FILE_TOO_LARGE",
        2,
        `${show(url)} is larger than ${LIMITS.download} bytes`,
        "check the address",
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Writes the plain files of dist/ that a tar.gz holds; whatever else is in there is passed over, links too. */
export async function unpack(bytes, target, what) {
  let count = 0;
  try {
    const tar = gunzipSync(bytes, { maxOutputLength: LIMITS.unpacked });
    for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
      const field = (from, length) => tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
      const size = Number.parseInt(field(124, 12).trim() || "0", 8);
      const name = [field(257, 5) === "ustar" ? field(345, 155) : "", field(0, 100)].filter(Boolean).join("/");
      const start = at + 512;
      if (!Number.isSafeInteger(size) || size < 0 || start + size > tar.length) throw new Error("cut short");
      const [, file] = /^(?:\.\/)?(?:[^/]+\/)?dist\/([^/]+)$/.exec(name) ?? [];
      if (["0", ""].includes(field(156, 1)) && isPlain(file) && ++count <= LIMITS.files) {
        await writeFile(path.join(target, file), tar.subarray(start, start + size), { flag: "wx" });
      }
      at = start + Math.ceil(size / 512) * 512;
    }
  } catch (error) {
    throw new Stop(
      "E_FILE_UNREADABLE",
      2,
      `${show(what)} is no tar.gz of dist/: ${show(error.message)}`,
      "pack it by: tar -czf countersign.tar.gz dist",
    );
  }
  if (count === 0)
    throw new Stop(
      "E_FILE_UNREADABLE",
      2,
      `${show(what)} holds no dist/`,
      "pack it by: tar -czf countersign.tar.gz dist",
    );
}

function isPlain(name) {
  return typeof name === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name);
}

/** One printable line: what others say must not move the terminal nor fold GitLab's log. */
export function show(text) {
  return String(text)
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, " ")
    .replace(/section_(?=start|end)/g, "section ")
    .slice(0, 500)
    .toWellFormed();
}
