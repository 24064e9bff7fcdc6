/**
 * Documents, each with who takes it whole: countersign and containers/image 5.39 alike, and skopeo 1.9.3 as Debian 12 has it
 * (containers/image 5.23.1). test/interop/containers-policy.test.ts asks the programs themselves.
 */
export interface Document {
  readonly title: string;
  readonly text: string;
  readonly taken: boolean;
  readonly debian12: boolean;
}

const KEY = Buffer.from("a key").toString("base64");
const reject = [{ type: "reject" }];
const signedBy = { type: "signedBy", keyType: "GPGKeys", keyPath: "/keys/a.gpg" };
const sigstore = { type: "sigstoreSigned", keyPath: "/keys/a.pub" };
const fulcio = { caPath: "/ca.pem", oidcIssuer: "https://issuer.example", subjectEmail: "a@example.com" };
const pki = { caRootsPath: "/ca.pem", subjectEmail: "a@example.com" };

const taken = (title: string, document: unknown): Document => row(title, document, true, true);
const newer = (title: string, document: unknown): Document => row(title, document, true, false);
const refused = (title: string, document: unknown): Document => row(title, document, false, false);

function row(title: string, document: unknown, isTaken: boolean, debian12: boolean): Document {
  return { title, text: typeof document === "string" ? document : JSON.stringify(document), taken: isTaken, debian12 };
}

/** A policy whose default is one requirement. */
const one = (requirement: unknown) => ({ default: [requirement] });
const scoped = (transport: string, scope: string) => ({
  default: reject,
  transports: { [transport]: { [scope]: reject } },
});
const identified = (signedIdentity: unknown) => one({ ...signedBy, signedIdentity });

export const documents: readonly Document[] = [
  taken("a default alone", { default: reject }),
  taken("no transports in transports", { default: reject, transports: {} }),
  refused("no default", { transports: {} }),
  refused("a default of nothing", { default: [] }),
  refused("a default that is null", { default: null }),
  refused("transports that are null", { default: reject, transports: null }),
  refused("a list", []),
  refused("a text", '"reject"'),
  refused("nothing", ""),
  refused("a comment", '{"default":[{"type":"reject"}]} // why'),
  refused("something behind the document", '{"default":[{"type":"reject"}]}{}'),
  refused("a byte order mark", '\uFEFF{"default":[{"type":"reject"}]}'),
  refused("an unknown member", { default: reject, version: 1 }),
  refused("another case", { Default: reject }),
  refused("the default twice", '{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}'),
  refused(
    "a scope twice",
    '{"default":[{"type":"reject"}],"transports":{"docker":{"a.b":[{"type":"reject"}],"a.b":[{"type":"reject"}]}}}',
  ),
  refused("a transport twice", '{"default":[{"type":"reject"}],"transports":{"docker":{},"docker":{}}}'),
  refused("a type twice", '{"default":[{"type":"reject","type":"reject"}]}'),
  refused("a scope of nothing", { default: reject, transports: { docker: { "a.b": [] } } }),
  refused("scopes that are a list", { default: reject, transports: { docker: [] } }),

  taken("a transport that nobody knows", scoped("dockr", "anything//")),
  taken("a registry scope with a slash at its end", scoped("docker", "registry.example.com/ns/")),
  taken("a registry scope that is no name", scoped("docker", "https://Registry.example.com//")),
  taken("a wildcard", scoped("docker", "*.example.com")),
  taken("the whole of a transport", scoped("dir", "")),
  taken("a folder", scoped("dir", "/images/app")),
  refused("a relative folder", scoped("dir", "images")),
  refused("the root folder", scoped("dir", "/")),
  refused("a folder with a slash at its end", scoped("dir", "/images/")),
  refused("a folder with a dot", scoped("oci", "/images/./app")),
  refused("a folder with two slashes", scoped("oci", "/images//app")),
  refused("a folder that goes up", scoped("oci", "/images/../app")),

  taken("insecureAcceptAnything", one({ type: "insecureAcceptAnything" })),
  refused("insecureAcceptAnything with something beside", one({ type: "insecureAcceptAnything", keyType: "GPGKeys" })),
  refused("reject with something beside", one({ type: "reject", reason: "why" })),
  refused("an unknown type", one({ type: "accept" })),
  refused("no type", one({})),
  refused("a requirement that is a text", one("reject")),
  taken("signedBaseLayer", one({ type: "signedBaseLayer", baseLayerIdentity: { type: "matchExact" } })),
  refused("signedBaseLayer without identity", one({ type: "signedBaseLayer" })),

  taken("signedBy a file", one(signedBy)),
  taken("signedBy files", one({ type: "signedBy", keyType: "GPGKeys", keyPaths: ["/a", "/b"] })),
  taken("signedBy no file", one({ type: "signedBy", keyType: "GPGKeys", keyPaths: [] })),
  taken("signedBy data", one({ type: "signedBy", keyType: "GPGKeys", keyData: KEY })),
  taken(
    "signedBy data with line ends",
    one({ type: "signedBy", keyType: "GPGKeys", keyData: `${KEY.slice(0, 4)}\n${KEY.slice(4)}` }),
  ),
  refused("signedBy data that is not base64", one({ type: "signedBy", keyType: "GPGKeys", keyData: "%%%" })),
  refused(
    "signedBy data without padding",
    one({ type: "signedBy", keyType: "GPGKeys", keyData: KEY.replace(/=+$/, "") }),
  ),
  refused("signedBy an empty path", one({ ...signedBy, keyPath: "" })),
  refused("signedBy two sources", one({ ...signedBy, keyData: KEY })),
  refused("signedBy no source", one({ type: "signedBy", keyType: "GPGKeys" })),
  refused("signedBy keyDatas, which it never had", one({ type: "signedBy", keyType: "GPGKeys", keyDatas: [KEY] })),
  refused("signedBy without keyType", one({ type: "signedBy", keyPath: "/a" })),
  refused("signedBy an unknown keyType", one({ ...signedBy, keyType: "gpgkeys" })),
  taken("signedBy certificates, which nothing verifies", one({ ...signedBy, keyType: "X509Certificates" })),
  taken("signedBy certificate authorities, which nothing verifies", one({ ...signedBy, keyType: "signedByX509CAs" })),

  taken("matchExact", identified({ type: "matchExact" })),
  taken("matchRepoDigestOrExact", identified({ type: "matchRepoDigestOrExact" })),
  taken("matchRepository", identified({ type: "matchRepository" })),
  refused("matchRepository with something beside", identified({ type: "matchRepository", dockerRepository: "a.b/c" })),
  taken("exactReference by tag", identified({ type: "exactReference", dockerReference: "a.b/c:1" })),
  taken("exactReference by a short name", identified({ type: "exactReference", dockerReference: "alpine:3" })),
  refused("exactReference of a repository", identified({ type: "exactReference", dockerReference: "a.b/c" })),
  refused("exactReference in upper case", identified({ type: "exactReference", dockerReference: "a.b/C:1" })),
  refused(
    "exactReference by a digest too short",
    identified({ type: "exactReference", dockerReference: "a.b/c@sha256:00" }),
  ),
  taken("exactRepository", identified({ type: "exactRepository", dockerRepository: "a.b/c" })),
  taken(
    "exactRepository with a tag, which is passed over",
    identified({ type: "exactRepository", dockerRepository: "a.b/c:1" }),
  ),
  refused("exactRepository of nothing", identified({ type: "exactRepository" })),
  refused(
    "exactRepository of 64 hex digits",
    identified({ type: "exactRepository", dockerRepository: "a".repeat(64) }),
  ),
  refused(
    "exactRepository of a host that only its capitals tell",
    identified({ type: "exactRepository", dockerRepository: "Registry/app" }),
  ),
  refused(
    "exactRepository of an address of version 6",
    identified({ type: "exactRepository", dockerRepository: "[::1]:5000/app" }),
  ),
  refused(
    "remapIdentity of an address of version 6",
    identified({ type: "remapIdentity", prefix: "[::1]:5000", signedPrefix: "d.e" }),
  ),
  taken(
    "remapIdentity",
    identified({ type: "remapIdentity", prefix: "mirror.example:5000/up", signedPrefix: "up.example" }),
  ),
  taken(
    "remapIdentity of what is no host",
    identified({ type: "remapIdentity", prefix: "ns/app", signedPrefix: "short" }),
  ),
  refused("remapIdentity with a tag", identified({ type: "remapIdentity", prefix: "a.b/c:1", signedPrefix: "d.e" })),
  refused(
    "remapIdentity with a slash at its end",
    identified({ type: "remapIdentity", prefix: "a.b/", signedPrefix: "d.e" }),
  ),
  refused("remapIdentity of half", identified({ type: "remapIdentity", prefix: "a.b" })),
  refused("an unknown identity", identified({ type: "matchAnything" })),
  refused("an identity that is null", identified(null)),
  refused("an identity that is a text", identified("matchExact")),

  taken("sigstoreSigned by a file", one(sigstore)),
  taken("sigstoreSigned by data", one({ type: "sigstoreSigned", keyData: KEY })),
  newer("sigstoreSigned by files", one({ type: "sigstoreSigned", keyPaths: ["/a", "/b"] })),
  newer("sigstoreSigned by several data", one({ type: "sigstoreSigned", keyDatas: [KEY, KEY] })),
  refused("sigstoreSigned by no file", one({ type: "sigstoreSigned", keyPaths: [] })),
  refused("sigstoreSigned by no data", one({ type: "sigstoreSigned", keyDatas: [] })),
  refused("sigstoreSigned by two sources", one({ ...sigstore, keyData: KEY })),
  refused("sigstoreSigned by nobody", one({ type: "sigstoreSigned" })),
  refused("sigstoreSigned with a keyType", one({ ...sigstore, keyType: "GPGKeys" })),
  newer("a log by its key", one({ ...sigstore, rekorPublicKeyPath: "/rekor.pub" })),
  newer("logs by their keys", one({ ...sigstore, rekorPublicKeyDatas: [KEY] })),
  refused("a log by two sources", one({ ...sigstore, rekorPublicKeyPath: "/rekor.pub", rekorPublicKeyData: KEY })),
  newer("fulcio with a log", one({ type: "sigstoreSigned", fulcio, rekorPublicKeyData: KEY })),
  refused("fulcio without a log", one({ type: "sigstoreSigned", fulcio })),
  refused(
    "fulcio without an issuer",
    one({ type: "sigstoreSigned", fulcio: { ...fulcio, oidcIssuer: "" }, rekorPublicKeyData: KEY }),
  ),
  refused(
    "fulcio of two authorities",
    one({ type: "sigstoreSigned", fulcio: { ...fulcio, caData: KEY }, rekorPublicKeyData: KEY }),
  ),
  newer("pki by email", one({ type: "sigstoreSigned", pki })),
  newer(
    "pki by host, with intermediates",
    one({
      type: "sigstoreSigned",
      pki: { caRootsData: KEY, caIntermediatesPath: "/i.pem", subjectHostname: "ci.example.com" },
    }),
  ),
  refused("pki for nobody", one({ type: "sigstoreSigned", pki: { caRootsPath: "/ca.pem" } })),
  refused("pki without roots", one({ type: "sigstoreSigned", pki: { subjectEmail: "a@example.com" } })),
  refused("pki with a log", one({ type: "sigstoreSigned", pki, rekorPublicKeyData: KEY })),
  refused("pki with something beside", one({ type: "sigstoreSigned", pki: { ...pki, issuer: "x" } })),
];
