process.argv.splice(2, Infinity, "github-action-post");
require("./index.js");
