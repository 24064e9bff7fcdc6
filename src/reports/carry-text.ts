import type { LoadReport, SaveReport } from "./report.ts";
import { oneLine } from "./terminal.ts";
import { placeText, problemLines } from "./verify-text.ts";

/** The reports of `save` and `load` for people. They say first that nothing in them has been verified. */
export function carryText(report: SaveReport | LoadReport): string {
  const lines = ["Carried as it is; nothing here has been verified."];
  for (const image of report.images) {
    lines.push(`${oneLine(image.reference)}: ${image.status}`);
    if (image.digest !== null && !image.reference.endsWith(image.digest)) lines.push(`  digest    ${image.digest}`);
    for (const { kind, format, artifactType, place, status } of image.attachments) {
      const what = format ?? artifactType;
      const name = what === null ? kind : `${kind} ${oneLine(what)}`;
      lines.push(`  ${status.padEnd(9)} ${name} in ${placeText(place)}`);
    }
    const { manifests, blobs, mounted, present, foreign, bytes } = image.copied;
    const counts = [
      `${manifests} manifests and ${blobs} blobs written, ${bytes} bytes`,
      ...(mounted > 0 ? [`${mounted} taken from another repository`] : []),
      ...(present > 0 ? [`${present} there already`] : []),
      ...(foreign > 0 ? [`${foreign} layers that are fetched from elsewhere left out`] : []),
    ];
    if (image.digest !== null) lines.push(`  copied    ${counts.join(", ")}`);
    if ("tag" in image && image.tag !== null) lines.push(`  tag       ${tagText(image.tag)}`);
    for (const error of image.errors) lines.push(...problemLines(error, "  "));
  }
  for (const warning of report.warnings) lines.push(`warning: ${oneLine(warning)}`);
  return `${lines.join("\n")}\n`;
}

function tagText({ name, previous, status }: NonNullable<LoadReport["images"][number]["tag"]>): string {
  const tag = oneLine(name);
  if (status !== "moved") return `${tag} ${status}`;
  return previous === null ? `${tag} made` : `${tag} moved, from ${previous}`;
}
