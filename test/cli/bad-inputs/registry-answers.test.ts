import { afterEach, beforeAll, describe } from "vitest";
import { digestOf } from "../../../src/model/digest.ts";
import { DOCKER_SCHEMA_1_SIGNED, OCI_INDEX, OCI_MANIFEST } from "../../../src/model/media-types.ts";
import type { ServedResponse } from "../../../src/platform/serve.ts";
import { bareKey } from "../../formats/support/signing.ts";
import { createTestCa, type Issued } from "../../platform/tls-material.ts";
import {
  dribbling,
  endless,
  type Fault,
  type FaultRule,
  redirect,
  reset,
  status,
  throttled,
  truncated,
  withBody,
  withFaults,
  withHeaders,
  wrongDigest,
} from "../../support/faults.ts";
import { type PushedImage, pushImage, storageSink } from "../../support/images.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { makeKey, NOW } from "../../trust/support/pki.ts";
import { attachAsTag, signatureOf } from "../support/attach.ts";
import { keyPem, publicKeyPem } from "../support/keys.ts";
import { createMachine, type Machine } from "../support/machine.ts";
import { type BadInput, refuses, type Surroundings } from "../support/refusals.ts";

const machine: Machine = createMachine();
const signingKey = makeKey("p256");
const publicKey = machine.file("cosign.pub", publicKeyPem(signingKey));
const privateKey = machine.file("signing.key", keyPem(signingKey));

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

interface Signed extends Surroundings {
  readonly registry: StartedRegistry;
  readonly image: PushedImage;
}

/** A registry with a well-signed image `app:1`, behind these faults. */
async function signedImage(faults: readonly FaultRule[] = [], tls?: Issued): Promise<Signed> {
  const registry = await startRegistry({ wrap: [(inner) => withFaults(inner, faults)], tls });
  started.push(registry);
  const image = await pushImage(storageSink(registry.storage, "app"), { tag: "1", seed: "app" });
  const target = { registry, repository: "app" };
  const signature = signatureOf("cosign", target, image, { key: signingKey, material: bareKey(signingKey) });
  await attachAsTag(target, image.digest, [signature]);
  return { machine, registry, image };
}

const byTag =
  (...flags: string[]) =>
  (around: Surroundings) => [...["verify", "--key", publicKey, ...flags, `${around.registry?.host}/app:1`]];
const byDigest = (around: Surroundings) => [
  ...["verify", "--key", publicKey, `${around.registry?.host}/app@${digestOfImage}`],
];
const all = (around: Surroundings) => ["verify", "--key", publicKey, "--all", `${around.registry?.host}/app`];
const sign = (around: Surroundings) => ["sign", "--key", privateKey, `${around.registry?.host}/app:1`];
let digestOfImage = "";
beforeAll(async () => {
  digestOfImage = (await signedImage()).image.digest;
});

type Row = Omit<BadInput, "args"> & { readonly fault: Fault; readonly path?: RegExp; readonly args?: BadInput["args"] };

function rows(defaults: { readonly path: RegExp; readonly args: BadInput["args"] }, list: readonly Row[]): void {
  for (const { fault, path = defaults.path, args = defaults.args, ...row } of list) {
    refuses({ ...row, args }, () => signedImage([{ path, fault }]));
  }
}

const could = { exit: 3, verdict: "undetermined" } as const;
const not = { exit: 1, verdict: "untrusted" } as const;

describe("the image's manifest, asked for by tag", () => {
  rows({ path: /manifests\/1$/, args: byTag() }, [
    { name: "403", fault: status(403), code: "E_REGISTRY_DENIED", says: "403", ...could },
    { name: "401 without a challenge", fault: status(401), code: "E_REGISTRY_DENIED", ...could },
    { name: "404", fault: status(404), code: "E_SUBJECT_NOT_FOUND", says: "app:1", ...not },
    { name: "410", fault: status(410), code: "E_REGISTRY_ANSWER", says: "410", ...could },
    { name: "418", fault: status(418), code: "E_REGISTRY_ANSWER", says: "418", ...could },
    { name: "204", fault: status(204), code: "E_REGISTRY_ANSWER", says: "204", ...could },
    { name: "429 for ever", fault: throttled(), code: "E_REGISTRY_THROTTLED", says: "429", ...could },
    { name: "429 for an hour", fault: throttled(3600), code: "E_REGISTRY_THROTTLED", says: "3600", ...could },
    {
      name: "429 until a date",
      fault: throttled(new Date(NOW.getTime() + 86_400_000).toUTCString()),
      code: "E_REGISTRY_THROTTLED",
      says: "86400",
      ...could,
    },
    { name: "429 with a Retry-After of words", fault: throttled("soon"), code: "E_REGISTRY_THROTTLED", ...could },
    { name: "500 for ever", fault: status(500), code: "E_REGISTRY_FAILING", says: "500", ...could },
    {
      name: "503 with a page of text",
      fault: status(503, {}, "\u001b[2Jbad gateway"),
      code: "E_REGISTRY_FAILING",
      says: "503",
      ...could,
    },
    {
      name: "an error that is an escape sequence",
      fault: status(418, {}, JSON.stringify({ errors: [{ code: "X", message: "\u001b[2J\u202eevil\r\n::error::x" }] })),
      code: "E_REGISTRY_ANSWER",
      says: "evil",
      ...could,
    },
    {
      name: "an error of a megabyte",
      fault: status(418, {}, "x".repeat(2 ** 20)),
      code: "E_REGISTRY_ANSWER",
      says: "418",
      ...could,
    },
    { name: "a connection that is cut", fault: reset(), code: "E_NETWORK", says: "ECONNRESET", ...could },
    { name: "half of the body", fault: truncated(), code: "E_NETWORK", ...could },
    {
      name: "a byte now and then",
      fault: dribbling(50),
      args: byTag("--request-timeout", "0.1"),
      code: "E_TIMEOUT",
      says: "100 ms",
      ...could,
    },
    {
      name: "a web page",
      fault: withBody("<html>log in</html>", "text/html"),
      code: "E_REGISTRY_ANSWER",
      says: "web page",
      ...could,
    },
    { name: "nothing", fault: withBody(""), code: "E_DIGEST_MISMATCH", ...not },
    {
      name: "a digest that is not of the bytes",
      fault: withHeaders({ "docker-content-digest": `sha256:${"0".repeat(64)}` }),
      code: "E_DIGEST_MISMATCH",
      says: "000",
      ...not,
    },
    {
      name: "a digest that is none",
      fault: withHeaders({ "docker-content-digest": "latest" }),
      code: "E_DIGEST_MISMATCH",
      says: "latest",
      ...not,
    },
    { name: "a body without an end", fault: endless(), code: "E_TOO_LARGE", says: "4194304", ...not },
    { name: "a redirect without an address", fault: status(307), code: "E_REGISTRY_REDIRECT", ...could },
    {
      name: "a redirect to another protocol",
      fault: redirect("ftp://127.0.0.1/app"),
      code: "E_REGISTRY_REDIRECT",
      says: "ftp:",
      ...could,
    },
    {
      name: "a redirect to a file",
      fault: redirect("file:///etc/passwd"),
      code: "E_REGISTRY_REDIRECT",
      says: "file:",
      ...could,
    },
    {
      name: "a redirect to itself",
      fault: redirect("/v2/app/manifests/1"),
      code: "E_REGISTRY_REDIRECT",
      says: "5 times",
      ...could,
    },
  ]);
});

describe("a manifest that can be read in two ways, or in none", () => {
  const serving =
    (document: unknown, type?: string, text = JSON.stringify(document)): Fault =>
    async () =>
      served(text, type);
  const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: descriptor(), layers: [] };
  rows({ path: /manifests\/1$/, args: byTag() }, [
    { name: "an empty document", fault: serving({}), code: "E_MANIFEST_INVALID", ...not },
    { name: "no JSON", fault: serving(0, OCI_MANIFEST, "{"), code: "E_MANIFEST_INVALID", says: "JSON", ...not },
    { name: "a list", fault: serving([]), code: "E_MANIFEST_INVALID", says: "object", ...not },
    {
      name: "a byte order mark",
      fault: serving(0, OCI_MANIFEST, `\ufeff${JSON.stringify(image)}`),
      code: "E_MANIFEST_INVALID",
      says: "byte order mark",
      ...not,
    },
    {
      name: "a member twice",
      fault: serving(0, OCI_MANIFEST, `{"schemaVersion":2,${JSON.stringify(image).slice(1)}`),
      code: "E_MANIFEST_INVALID",
      says: "twice",
      ...not,
    },
    {
      name: "a member in two cases",
      fault: serving({ ...image, Layers: [] }),
      code: "E_MANIFEST_INVALID",
      says: "Layers",
      ...not,
    },
    {
      name: "both manifests and layers",
      fault: serving({ ...image, manifests: [] }),
      code: "E_MANIFEST_INVALID",
      says: "manifests",
      ...not,
    },
    {
      name: "another type than it was served with",
      fault: serving(image, OCI_INDEX),
      code: "E_MANIFEST_INVALID",
      says: "served as",
      ...not,
    },
    {
      name: "a type of its own",
      fault: serving({ ...image, mediaType: "application/x-evil" }),
      code: "E_MANIFEST_UNSUPPORTED",
      says: "application/x-evil",
      ...not,
    },
    {
      name: "schema 1",
      fault: serving({ schemaVersion: 1, name: "app" }, DOCKER_SCHEMA_1_SIGNED),
      code: "E_MANIFEST_UNSUPPORTED",
      says: "prettyjws",
      ...not,
    },
    {
      name: "a digest inside that is none",
      fault: serving({ ...image, config: { ...descriptor(), digest: "sha256:1" } }),
      code: "E_MANIFEST_INVALID",
      says: "config.digest",
      ...not,
    },
    {
      name: "a size below nothing",
      fault: serving({ ...image, config: { ...descriptor(), size: -1 } }),
      code: "E_MANIFEST_INVALID",
      says: "config.size",
      ...not,
    },
    {
      name: "brackets without end",
      fault: serving(0, OCI_MANIFEST, "[".repeat(100_000) + "]".repeat(100_000)),
      code: "E_MANIFEST_INVALID",
      says: "nested",
      ...not,
    },
    {
      name: "more layers than any image",
      fault: serving({ ...image, layers: Array.from({ length: 10_001 }, descriptor) }),
      code: "E_LIMIT",
      says: "10001",
      ...could,
    },
  ]);
});

describe("the image's manifest, asked for by digest", () => {
  rows({ path: /manifests\/sha256:[0-9a-f]+$/, args: byDigest }, [
    { name: "other bytes", fault: wrongDigest(), code: "E_DIGEST_MISMATCH", says: "sha256:", ...not },
    { name: "404", fault: status(404), code: "E_SUBJECT_NOT_FOUND", says: "@sha256:", ...not },
    { name: "500", fault: status(500), code: "E_REGISTRY_FAILING", says: "500", ...could },
    {
      name: "schema 1 under a digest",
      fault: async () => served('{"schemaVersion":1}', DOCKER_SCHEMA_1_SIGNED),
      code: "E_MANIFEST_UNSUPPORTED",
      ...not,
    },
  ]);
});

describe("the listing of a repository", () => {
  const page = (body: string, headers: Record<string, string> = {}): Fault =>
    status(200, { "content-type": "application/json", ...headers }, body);
  const many = JSON.stringify({ tags: Array.from({ length: 5000 }, (_, at) => `t${at}`) });
  rows({ path: /tags\/list/, args: all }, [
    { name: "404", fault: status(404), code: "E_SUBJECT_NOT_FOUND", says: "no repository app", ...not },
    { name: "403", fault: status(403), code: "E_REGISTRY_DENIED", says: "403", ...could },
    { name: "429", fault: throttled(3600), code: "E_REGISTRY_THROTTLED", says: "3600", ...could },
    { name: "a web page", fault: page("<html>"), code: "E_REGISTRY_ANSWER", says: "no list of tags", ...could },
    {
      name: "a list of numbers",
      fault: page('{"tags":[1]}'),
      code: "E_REGISTRY_ANSWER",
      says: "no list of tags",
      ...could,
    },
    {
      name: "a tag that climbs",
      fault: page('{"tags":["../../x"]}'),
      code: "E_REGISTRY_ANSWER",
      says: "no list of tags",
      ...could,
    },
    { name: "no tag", fault: page('{"tags":null}'), code: "E_SUBJECT_NOT_FOUND", says: "no tag", exit: 1 },
    {
      name: "pages without end",
      fault: page(many, { link: '</v2/app/tags/list?last=t>; rel="next"' }),
      code: "E_LIMIT",
      says: "100000 tags",
      ...could,
    },
    {
      name: "a next page elsewhere",
      fault: page('{"tags":["1"]}', { link: '<http://localhost:1/v2/app/tags/list>; rel="next"' }),
      code: "E_REGISTRY_REDIRECT",
      says: "localhost:1",
      ...could,
    },
    {
      name: "a next page of another listing",
      fault: page('{"tags":["1"]}', { link: '</v2/other/tags/list?n=1>; rel="next"' }),
      code: "E_REGISTRY_REDIRECT",
      says: "same listing",
      ...could,
    },
  ]);
});

describe("a registry that does not take what is signed", () => {
  rows(
    { path: /./, args: sign },
    [
      {
        name: "403 for a blob",
        path: /uploads/,
        fault: status(403),
        code: "E_REGISTRY_DENIED",
        says: "writing to",
        exit: 3,
      },
      { name: "405 for a blob", path: /uploads/, fault: status(405), code: "E_REGISTRY_ANSWER", says: "405", exit: 3 },
      {
        name: "an upload without an address",
        path: /uploads/,
        fault: status(202),
        code: "E_REGISTRY_REDIRECT",
        exit: 3,
      },
      {
        name: "an upload to a file",
        path: /uploads/,
        fault: status(202, { location: "file:///tmp/x" }),
        code: "E_REGISTRY_REDIRECT",
        says: "file:",
        exit: 3,
      },
      {
        name: "a redirect of the manifest's upload",
        path: /manifests\/sha256-/,
        fault: putOnly(redirect("http://localhost:1/v2/app/manifests/x")),
        code: "E_REGISTRY_REDIRECT",
        says: "localhost:1",
        exit: 3,
        writes: true,
      },
      {
        name: "500 for the manifest",
        path: /manifests\/sha256-/,
        fault: putOnly(status(500)),
        code: "E_REGISTRY_FAILING",
        says: "500",
        exit: 3,
        writes: true,
      },
      {
        name: "404 for the image",
        path: /manifests\/1$/,
        fault: status(404),
        code: "E_SUBJECT_NOT_FOUND",
        says: "app:1",
        exit: 1,
      },
      {
        name: "429 for the tag of signatures",
        path: /manifests\/sha256-/,
        fault: throttled(3600),
        code: "E_REGISTRY_THROTTLED",
        says: "3600",
        exit: 3,
      },
    ].map((row) => ({ ...row, args: differently })) as readonly Row[],
  );
});

describe("the way to a registry", () => {
  refuses(
    {
      name: "a port that nobody listens on",
      args: ["verify", "--key", publicKey, "127.0.0.1:1/app:1"],
      code: "E_NETWORK",
      says: "127.0.0.1:1",
      ...could,
    },
    () => ({ machine }),
  );
  refuses(
    {
      name: "plain HTTP beyond this machine",
      args: ["verify", "--key", publicKey, "0.0.0.0:1/app:1"],
      code: "E_NETWORK",
      says: "0.0.0.0:1",
      ...could,
    },
    () => ({ machine }),
  );

  const ca = createTestCa("Test CA");
  const issued = async () => signedImage([], await (await ca).issue("localhost"));
  refuses(
    { name: "a certificate of an unknown authority", args: byTag(), code: "E_TLS", says: "127.0.0.1", ...could },
    issued,
  );
  refuses({ name: "an expired certificate", args: byTag(), code: "E_TLS", ...could }, async () =>
    signedImage([], await (await ca).issue("localhost", -1)),
  );

  const words = machine.file("words.pem", "our own authority");
  refuses(
    {
      name: "an authority file that holds none",
      args: byTag("--registry-cacert", words),
      code: "E_CONFIG_INVALID",
      says: "CA",
      exit: 2,
    },
    () => signedImage(),
  );
  refuses(
    {
      name: "a client certificate without its key",
      args: byTag("--registry-client-cert", words),
      code: "E_CONFIG_INVALID",
      says: "key",
      exit: 2,
    },
    () => signedImage(),
  );
});

/** Another payload than the one that is there, so that there is something to store. */
function differently(around: Surroundings): readonly string[] {
  return [...sign(around), "-a", "run=2"];
}

function putOnly(fault: Fault): Fault {
  return async (request, next) => (request.method === "PUT" ? fault(request, next) : next());
}

function served(text: string, type: string = OCI_MANIFEST): ServedResponse {
  return {
    status: 200,
    headers: { "content-type": type, "content-length": String(Buffer.byteLength(text)) },
    body: text,
  };
}

function descriptor() {
  return { mediaType: "application/octet-stream", digest: digestOf(Buffer.from("x")), size: 1 };
}
