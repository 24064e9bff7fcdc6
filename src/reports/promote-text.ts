import type { PromoteReport } from "./report.ts";
import { oneLine, shortDigest } from "./terminal.ts";
import { placeText, problemLines, signerText } from "./verify-text.ts";

type Image = PromoteReport["images"][number];

/** The report of `promote` for people: an image a paragraph, what was verified and what came along, then totals. */
export function promoteText(report: PromoteReport): string {
  const lines: string[] = report.dryRun ? ["A plan: nothing was written."] : [];
  for (const image of report.images) lines.push(...imageLines(image));
  for (const [end, files] of Object.entries(report.policies ?? {})) {
    for (const { path, digest } of files) lines.push(`policy at the ${end}: ${oneLine(path)} ${digest}`);
  }
  for (const warning of report.warnings) lines.push(`warning: ${oneLine(warning)}`);
  const statuses = ["promoted", "unchanged", "planned", "refused", "failed"] as const;
  const counts = statuses.map(
    (status) => [status, report.images.filter((image) => image.status === status).length] as const,
  );
  const parts = counts.filter(([, count]) => count > 0).map(([status, count]) => `${count} ${status}`);
  const images = report.images.length === 1 ? "1 image" : `${report.images.length} images`;
  lines.push(`${images}: ${parts.join(", ") || "nothing to promote"}`);
  return `${lines.join("\n")}\n`;
}

function imageLines(image: Image): readonly string[] {
  const lines = [`${oneLine(image.source)} -> ${oneLine(image.destination)}: ${image.status}`];
  if (image.digest !== null) lines.push(`  digest       ${image.digest}`);
  lines.push(...verificationLines("source", image.verification.source));
  const { manifests, blobs, mounted, present, foreign, bytes } = image.copied;
  if (manifests + blobs + mounted + present + foreign > 0) {
    const more = [
      mounted > 0 ? `${mounted} mounted` : "",
      present > 0 ? `${present} there already` : "",
      foreign > 0 ? `${foreign} left elsewhere` : "",
    ].filter((part) => part !== "");
    const moved = `${manifests} manifests, ${blobs} blobs (${bytes} bytes)`;
    lines.push(`  ${image.status === "planned" ? "to copy" : "copied "}      ${[moved, ...more].join(", ")}`);
  }
  for (const attachment of image.attachments) {
    const what = attachment.format ?? attachment.artifactType ?? "of an unknown kind";
    const on = attachment.subject === image.digest ? "" : `, on ${shortDigest(attachment.subject)}`;
    const state = attachment.status === "present" ? "unchanged" : attachment.status;
    lines.push(`  ${state.padEnd(12)} ${attachment.kind} ${oneLine(what)} in ${placeText(attachment.place)}${on}`);
  }
  for (const signature of image.resigned) {
    const where = signature.place === null ? "" : ` in ${placeText(signature.place)}`;
    const state = { added: "signed", unchanged: "unchanged", planned: "to sign" }[signature.status];
    lines.push(
      `  ${state.padEnd(12)} ${signature.format}${where}, ${signature.algorithm}, ${signerText(signature.signer)}`,
    );
  }
  lines.push(...verificationLines("destination", image.verification.destination));
  if (image.tag !== null) lines.push(`  tag          ${tagText(image.tag, image.digest)}`);
  for (const error of image.errors) lines.push(...problemLines(error, "  "));
  return lines;
}

function tagText({ name, previous, status }: NonNullable<Image["tag"]>, digest: string | null): string {
  const was = previous === null ? "new" : previous === digest ? "" : `was ${shortDigest(previous)}`;
  const state = {
    moved: "moved",
    unchanged: "unchanged",
    planned: "to move",
    kept: "not moved",
    unknown: "may have moved",
  }[status];
  return [`${oneLine(name)} ${state}`, was].filter((part) => part !== "").join(", ");
}

/** Of a refusal every signature and reason; of what is trusted one line. */
function verificationLines(where: string, found: Image["verification"]["source"]): readonly string[] {
  if (found === null) return [];
  const lines = [`  ${where.padEnd(12)} ${found.verdict}`];
  for (const image of found.images) {
    if (image.verdict === "trusted") continue;
    if (found.images.length > 1) lines.push(`    ${oneLine(image.reference)}: ${image.verdict}`);
    for (const signature of image.signatures) {
      const who = signature.signer === null ? "" : `, ${signerText(signature.signer)}`;
      lines.push(
        `    ${signature.trusted ? "trusted" : "refused"} ${signature.format} in ${placeText(signature.place)}${who}`,
      );
      for (const reason of signature.reasons) lines.push(`      ${reason.code}: ${oneLine(reason.message)}`);
    }
    for (const error of image.errors) lines.push(...problemLines(error, "    "));
  }
  return lines;
}
