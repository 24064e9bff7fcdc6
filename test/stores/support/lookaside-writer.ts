import { OPENPGP_SIGNATURE } from "../../../src/model/media-types.ts";
import { createNodeHost } from "../../../src/platform/node-host.ts";
import { openLookasideFolder } from "../../../src/stores/lookaside-folder.ts";
import { createLookasideStore } from "../../../src/stores/lookaside-store.ts";
import { subject } from "./samples.ts";

/** `ROOT TEXT LENGTH`: adds one signature, the text filled up with "x", to the lookaside folder ROOT. */
const [root = "", text = "", length = "0"] = process.argv.slice(2);
const base = openLookasideFolder(root, createNodeHost().files);
const bytes = Buffer.concat([Buffer.of(0xc4), Buffer.from(text.padEnd(Number(length), "x"))]);
process.stdout.write("started");
await createLookasideStore({ repository: "team/app", read: base, write: base }).append(subject, {
  ...{ format: "openpgp", mediaType: OPENPGP_SIGNATURE, bytes, annotations: {} },
});
