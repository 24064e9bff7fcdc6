// The inputs of the GitLab templates: what each is, and which flag of the program it becomes.

const variable = "^[A-Za-z_][A-Za-z0-9_]*$|^$";

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

const common = {
  "registry-username-variable": {
    description:
      "Name of the variable with the user of the first image's registry. Without it: CI_REGISTRY_*, logins of docker and podman.",
    default: "",
    regex: variable,
    flag: ["--registry-username", "value"],
  },
  "registry-password-variable": {
    description: "Name of the variable with its password.",
    default: "",
    regex: variable,
    flag: ["--registry-password", "variable"],
  },
  "extra-args": { description: "More flags of the command, one argument a line. No shell reads them.", default: "" },
};

const images = (what) => ({
  images: {
    description: `${what}, one a line; variables are expanded: $CI_REGISTRY_IMAGE@$DIGEST. At most 1 KB: use images-file for more.`,
    default: "",
  },
  "images-file": {
    description: "A file with such lines, an artifact of an earlier job, in place of images.",
    default: "",
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

/** Whom to trust; `prefix` for a second set of the same. */
const trust = {
  key: {
    description:
      "Public keys, one a line: a path, or env://NAME for a variable of type file, with PEM, or base64 of it.",
    default: "",
    flag: ["--key", "sources"],
  },
  "ca-roots": {
    description:
      "Certificates that paths must end in, written as key is. Better a variable than a file that merge requests can change.",
    default: "",
    flag: ["--ca-roots", "sources"],
  },
  "ca-intermediates": {
    description: "Certificates that help to build paths, written as key is.",
    default: "",
    flag: ["--ca-intermediates", "sources"],
  },
  "certificate-identity": {
    description: "Who may sign: an alternative name of the certificate.",
    default: "",
    flag: ["--certificate-identity", "text"],
  },
  "certificate-identity-regexp": {
    description: "The same by RE2, over the whole name.",
    default: "",
    flag: ["--certificate-identity-regexp", "text"],
  },
};

const signer = (flags, what = "") => ({
  [`${what}key-variable`]: {
    description:
      "Name of the variable that holds the private key: of type file, or PEM, or base64 of it. Never the key itself.",
    default: "",
    regex: variable,
    flag: [flags.key, "variable"],
  },
  [`${what}passphrase-variable`]: {
    description: "Name of the variable with the key's passphrase.",
    default: "",
    regex: variable,
    flag: [flags.passphrase, "variable"],
  },
  [`${what}certificate`]: {
    description: "The key's certificate: a path, or env://NAME for a variable of type file, with PEM, or base64 of it.",
    default: "",
    flag: [flags.certificate, "source"],
  },
  [`${what}certificate-chain`]: {
    description: "Its issuers, in any order, written as the certificate is.",
    default: "",
    flag: [flags.chain, "source"],
  },
});

/** By verb: what the job does, its inputs in the order of the catalog, what is special about it. */
export const JOBS = {
  sign: {
    summary: "Signs images, stores the signatures beside them, verifies what was stored.",
    guarded: true,
    inputs: {
      ...job("sign", "test"),
      ...images("Images to sign"),
      ...signer({
        key: "--key",
        passphrase: "--passphrase",
        certificate: "--certificate",
        chain: "--certificate-chain",
      }),
      signer: {
        description: "In place of key-variable: exec:COMMAND, https+sign://HOST/PATH or notation-plugin:NAME?id=KEY.",
        default: "",
        flag: ["--signer", "text"],
      },
      "signer-token-variable": {
        description: "Name of the variable with the token for a signing service, one of the job's id_tokens.",
        default: "",
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
    summary: "Verifies images by key or by certificate authority; the job fails unless every image is trusted.",
    inputs: { ...job("verify", "test"), ...images("Images to verify"), ...trust, ...recursive, ...common },
  },
};
