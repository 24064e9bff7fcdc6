process.argv.splice(2, Infinity, "github-action");
require("./index.js");
