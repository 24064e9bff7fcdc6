// The inputs of the GitLab templates: what each is, and which flag of the program it becomes. What is left out is "unset", not
// empty: an empty input is a variable that does not exist, which must not pass for a rule that was never asked for.

const variable = "^[A-Za-z_][A-Za-z0-9_]*$";

/** About the job itself; none of them reaches the program. */
const job = (verb, stage) => ({
  program: {
    description:
      "Where the job gets the program. project:GROUP/PROJECT@COMMIT of this instance; npm:NAME@VERSION#sha512-…; " +
      "https://…/countersign.tar.gz#sha256=… (a tar.gz of dist/); path:/…/dist/index.js that is there already. " +
      "Checked before it runs. Components know their own commit: project:GROUP/PROJECT is enough.",
    regex: "^(project|npm|path|https?):.+$",
  },
  "job-prefix": {
    description: `Stands before the job's name, ${verb}, and before the names of its reports.`,
    default: "countersign-",
    regex: "^[a-z0-9][a-z0-9._-]*$",
  },
  stage: { description: "The job's stage.", default: stage },
  "runner-image": {
    description: "Image of the job: it needs Node.js 20.11 or newer and nothing else.",
    default: "node:22-slim",
  },
  rules: { description: "When the job runs, as rules: has it.", type: "array", default: [{ when: "on_success" }] },
});

/** User and password of a registry, each by the name of a variable. */
const credentials = (prefix, whose) => ({
  [`${prefix === "" ? "registry-" : prefix}username-variable`]: {
    description: `Name of the variable with the user of ${whose}. Without it: CI_REGISTRY_*, logins of docker and podman.`,
    default: "unset",
    regex: variable,
    flag: [`--${prefix === "" ? "registry-" : prefix}username`, "value"],
  },
  [`${prefix === "" ? "registry-" : prefix}password-variable`]: {
    description: "Name of the variable with its password.",
    default: "unset",
    regex: variable,
    flag: [`--${prefix === "" ? "registry-" : prefix}password`, "variable"],
  },
});

const common = {
  ...credentials("", "the first image's registry"),
  "extra-args": {
    description: "More flags of the command, one argument a line. No shell reads them.",
    default: "unset",
  },
};

const images = (what) => ({
  images: {
    description: `${what}, one a line; variables are expanded: $CI_REGISTRY_IMAGE@$DIGEST. At most 1 KB: use images-file for more.`,
    default: "unset",
  },
  "images-file": {
    description: "A file with such lines, an artifact of an earlier job, in place of images.",
    default: "unset",
  },
});

const forks = {
  "allow-forks": {
    description: "Run for merge requests of forks too. Their authors write what runs there.",
    type: "boolean",
    default: false,
  },
};

const recursive = {
  recursive: {
    description: "Of a multi-platform index, every image in it too.",
    type: "boolean",
    default: false,
    flag: ["--recursive", "switch"],
  },
};

const written = "a path, or env://NAME for a variable of type file, with PEM, or base64 of it";
const source = (what) => ({ description: `${what}: ${written}.`, default: "unset" });

/** Whom to trust. `prefix`: destination- for what holds there instead of at the source. */
const trust = (prefix) => {
  const where = prefix === "" ? "" : " At the destination; without it what holds at the source.";
  const flagged = (name, description, kind) => [
    `${prefix}${name}`,
    { description: `${description}${where}`, default: "unset", flag: [`--${prefix}${name}`, kind] },
  ];
  return Object.fromEntries([
    flagged("key", `Public keys, one a line, each ${written}.`, "sources"),
    flagged(
      "ca-roots",
      "Certificates that paths must end in, written as key is. Better a variable than a file that merge requests can change.",
      "sources",
    ),
    flagged("ca-intermediates", "Certificates that help to build paths, written as key is.", "sources"),
    flagged("certificate-identity", "Who may sign: an alternative name of the certificate.", "text"),
    flagged("certificate-identity-regexp", "The same by RE2, over the whole name.", "text"),
  ]);
};

/** A policy in place of saying whom to trust. */
const policies = {
  policy: {
    description:
      "A policy.json of podman's kind or a Notary trust policy, in place of the inputs that say whom to trust: a path, or env://NAME " +
      "for a variable of type file, which merge requests cannot change.",
    default: "unset",
    flag: ["--policy", "source"],
  },
  "trust-policy": {
    description: "A Notary trust policy in place of those inputs, written as policy is; goes with trust-store.",
    default: "unset",
    flag: ["--trust-policy", "source"],
  },
  "trust-store": {
    description: "The folder with its trust stores: x509/TYPE/NAME/FILE.",
    default: "unset",
    flag: ["--trust-store", "text"],
  },
};

/** A key and its certificates. `prefix`: of flags and inputs. */
const signer = (prefix, key) => ({
  [key]: {
    description:
      "Name of the variable that holds the private key: of type file, or PEM, or base64 of it. Never the key itself.",
    default: "unset",
    regex: variable,
    flag: [`--${prefix}key`, "variable"],
  },
  [`${prefix}passphrase-variable`]: {
    description: "Name of the variable with the key's passphrase.",
    default: "unset",
    regex: variable,
    flag: [`--${prefix}passphrase`, "variable"],
  },
  [`${prefix}certificate`]: { ...source("The key's certificate"), flag: [`--${prefix}certificate`, "source"] },
  [`${prefix}certificate-chain`]: {
    description: "Its issuers, in any order, written as the certificate is.",
    default: "unset",
    flag: [`--${prefix}certificate-chain`, "source"],
  },
});

/** Exactly one image: the two halves of signing elsewhere are about one. */
const image = {
  images: { description: "The one image; variables are expanded: $CI_REGISTRY_IMAGE@$DIGEST.", default: "unset" },
};

const fileName = "^[A-Za-z0-9_][A-Za-z0-9_./-]*$";

/**
 * By verb: what the job does; its inputs, in the order of the catalog; whether forks are refused (`guarded`), an image is
 * "SOURCE DESTINATION" (`pairs`), it changes an environment (`gate`), and what it keeps beside its reports (`keeps`).
 */
export const JOBS = {
  sign: {
    summary: "Signs images, stores the signatures beside them, verifies what was stored.",
    guarded: true,
    inputs: {
      ...job("sign", "test"),
      ...images("Images to sign"),
      ...signer("", "key-variable"),
      signer: {
        description: "In place of key-variable: exec:COMMAND, https+sign://HOST/PATH or notation-plugin:NAME?id=KEY.",
        default: "unset",
        flag: ["--signer", "text"],
      },
      "signer-token-variable": {
        description: "Name of the variable with the token for a signing service: one of the job's id_tokens.",
        default: "unset",
        regex: variable,
        flag: ["--signer-token", "variable"],
      },
      format: {
        description: "Formats to sign in, by comma.",
        default: "cosign",
        regex: "^[a-z-]+(,[a-z-]+)*$",
        flag: ["--format", "text"],
      },
      ...recursive,
      ...common,
      ...forks,
    },
  },
  verify: {
    summary:
      "Verifies images by key, by certificate authority or by a policy; the job fails unless every image is trusted.",
    inputs: {
      ...job("verify", "test"),
      ...images("Images to verify"),
      ...trust(""),
      ...policies,
      ...recursive,
      ...common,
    },
  },
  promote: {
    summary:
      "Verifies images, copies them with all that is attached to them, verifies again, and only then moves the tag.",
    guarded: true,
    pairs: true,
    gate: true,
    inputs: {
      ...job("promote", "deploy"),
      environment: {
        description:
          "The environment that the images are promoted to: its protection and approvals hold for the job, and one promotion to it runs at a time.",
        regex: "^[A-Za-z0-9][A-Za-z0-9/_. -]*$",
      },
      ...images("SOURCE DESTINATION, the destination with its tag"),
      ...trust(""),
      ...policies,
      ...trust("destination-"),
      resign: {
        description: "Sign again at the destination, by the inputs that begin with resign-.",
        type: "boolean",
        default: false,
        flag: ["--resign", "switch"],
      },
      ...signer("resign-", "resign-key-variable"),
      "dry-run": {
        description: "Verify and print the plan; write nothing.",
        type: "boolean",
        default: false,
        flag: ["--dry-run", "switch"],
      },
      ...recursive,
      ...common,
      ...credentials("destination-", "the destination's registry"),
      ...forks,
    },
  },
  payload: {
    summary: "Writes the bytes to sign for an image, for keys that no job can reach.",
    keeps: "out",
    inputs: {
      ...job("payload", "test"),
      ...image,
      out: {
        description: "Where the bytes are written; the file is kept as an artifact.",
        default: "payload.json",
        regex: fileName,
        flag: ["--out", "text"],
      },
      certificate: { ...source("The certificate of who will sign"), flag: ["--certificate", "source"] },
      "certificate-chain": { ...source("Its issuers, in any order"), flag: ["--certificate-chain", "source"] },
      "public-key": {
        ...source("The public key of who will sign, where there is no certificate"),
        flag: ["--public-key", "source"],
      },
      format: {
        description: "The format to sign in.",
        default: "cosign",
        regex: "^[a-z-]+$",
        flag: ["--format", "text"],
      },
      ...common,
    },
  },
  attach: {
    summary: "Checks what was signed elsewhere, and stores it beside the image.",
    guarded: true,
    inputs: {
      ...job("attach", "deploy"),
      ...image,
      payload: { description: "The bytes that were signed.", default: "payload.json", flag: ["--payload", "text"] },
      signature: {
        description: "The signature: octets, or base64 of them.",
        default: "payload.sig",
        flag: ["--signature", "text"],
      },
      certificate: { ...source("The certificate of who signed"), flag: ["--certificate", "source"] },
      "certificate-chain": { ...source("Its issuers, in any order"), flag: ["--certificate-chain", "source"] },
      "public-key": {
        ...source("The public key of who signed, where there is no certificate"),
        flag: ["--public-key", "source"],
      },
      ...common,
      ...forks,
    },
  },
};
