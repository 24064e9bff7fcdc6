// Gets the program for a job of the GitLab templates, checks it, and puts it into a folder. The templates carry this file word
// for word, since a job has nothing else yet; it imports Node.js alone and runs nothing of what it fetched.
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { demand, isPlain, parseHash, unpack } from "./archive.mjs";
import { download } from "./download.mjs";
import { misuse, Stop, show } from "./stop.mjs";

const LIMITS = { files: 500, npmWait: 180_000, npmOutput: 1024 * 1024 };

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

/** Each file of dist/ at one commit of a project of this instance, against the hashes that dist/files.json has. */
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
  const options = { cwd: empty, env: forNpm(env), timeout: LIMITS.npmWait, maxBuffer: LIMITS.npmOutput };
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
