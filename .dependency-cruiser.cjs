/**
 * Imports go down only (docs/decisions/001-rooms.md):
 * doors -> operations -> {policies, formats, stores, signers, reports} -> {trust, oci, services} -> platform -> model.
 * Rooms on one level never import each other.
 */
const levels = [
  ["cli", "action"],
  ["operations"],
  ["policies", "formats", "stores", "signers", "reports"],
  ["trust", "oci", "services"],
  ["platform"],
  ["model"],
];

const forbidden = [{ name: "no-circles", severity: "error", from: {}, to: { circular: true } }];

levels.forEach((rooms, level) => {
  for (const room of rooms) {
    // The action starts the command line in process, and touches nothing else of it (docs/decisions/014-action.md).
    const except = room === "action" ? "^src/cli/program\\.ts$" : undefined;
    const shut = [...levels.slice(0, level).flat(), ...rooms.filter((other) => other !== room)];
    if (shut.length === 0) continue;
    forbidden.push({
      name: `${room}-imports-down-only`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: { path: `^src/(${shut.join("|")})/`, ...(except && { pathNot: except }) },
    });
  }
});

// The pure rooms touch neither sockets, files, processes nor the clock: those are handed to them.
for (const room of ["model", "trust", "formats", "policies", "reports"]) {
  forbidden.push({
    name: `${room}-is-pure`,
    severity: "error",
    from: { path: `^src/${room}/` },
    to: {
      path: "^(node:)?(fs|fs/promises|net|tls|http|https|http2|child_process|dns|os|process|timers|timers/promises)$",
    },
  });
}
// Only platform opens sockets, starts processes and reads files.
for (const room of ["cli", "action", "operations", "stores", "signers", "oci", "services"]) {
  forbidden.push({
    name: `${room}-asks-the-platform`,
    severity: "error",
    from: { path: `^src/${room}/` },
    to: { path: "^(node:)?(fs|fs/promises|net|tls|http|https|http2|child_process|dns)$" },
  });
}
forbidden.push({
  name: "source-never-imports-tests",
  severity: "error",
  from: { path: "^src/" },
  to: { path: "^(test|bench)/" },
});

module.exports = {
  forbidden,
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default"],
    },
  },
};
