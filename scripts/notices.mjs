// Which packages a bundle holds, and the notices that their licences ask to be passed on.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Files whose whole text is passed on. */
const noticeFile = /^(?:licen[cs]e|copying|notice|copyright)(?:[.-].*)?$/i;

/**
 * The packages under node_modules that modules come from, by name and version.
 * @param {Iterable<string>} modules paths
 * @param {string} root folder of package.json
 */
export function collectPackages(modules, root) {
  const folders = new Set();
  for (const module of modules) {
    const folder = packageFolder(module);
    if (folder !== undefined) folders.add(folder);
  }
  const packages = [...folders].map((folder) => readPackage(folder, root));
  for (const one of packages) one.text ??= textOfSibling(one, packages);
  return packages.sort((a, b) => (a.title < b.title ? -1 : a.title > b.title ? 1 : 0));
}

/** A package of a shared repository may leave the text to another one of the same repository and licence. */
function textOfSibling(one, packages) {
  const sibling = packages.find(
    (other) => other.text && other.repository && other.repository === one.repository && other.license === one.license,
  );
  if (sibling) return sibling.text;
  throw new Error(`${one.title} comes without the text of its licence (${one.license}): keep it out of the bundle`);
}

function packageFolder(module) {
  const parts = module.split(path.sep);
  const at = parts.lastIndexOf("node_modules");
  if (at < 0) return undefined;
  const depth = parts[at + 1]?.startsWith("@") ? 3 : 2;
  return parts.slice(0, at + depth).join(path.sep);
}

function readPackage(folder, root) {
  const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const title = `${manifest.name} ${manifest.version}`;
  if (typeof manifest.license !== "string")
    throw new Error(`${title} names no licence in ${path.relative(root, folder)}`);
  const repository = typeof manifest.repository === "string" ? manifest.repository : manifest.repository?.url;
  return { title, license: manifest.license, repository, text: noticeText(folder) };
}

/** The texts of licence and notice files, else the licence section that ends the README; undefined where neither is. */
function noticeText(folder) {
  const names = readdirSync(folder)
    .filter((name) => noticeFile.test(name))
    .sort();
  const texts = names.map((name) => tidy(readFileSync(path.join(folder, name), "utf8")));
  if (texts.length > 0) return texts.join("\n\n");
  const readme = path.join(folder, "README.md");
  if (!existsSync(readme)) return undefined;
  const section = /^#+ *licen[cs]e\b.*\n([\s\S]*)$/im.exec(readFileSync(readme, "utf8"))?.[1];
  return section?.includes("Copyright") ? tidy(section) : undefined;
}

function tidy(text) {
  return text.replace(/\r\n?/g, "\n").trim();
}

/** One text file: our own licence, then each package's. */
export function renderNotices(packages, ownLicense) {
  const rule = "-".repeat(80);
  const sections = packages.map(({ title, license, text }) => `${rule}\n${title}\nLicence: ${license}\n\n${text}\n`);
  const intro = "This program contains the packages listed below it, each under its own licence.\n";
  return `countersign\nLicence: Apache-2.0\n${intro}\n${tidy(ownLicense)}\n\n${sections.join("\n")}`;
}
