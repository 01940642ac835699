// Begins: the session, the shell, the pages.

import { askToken, startSession, token } from "./session.js";
import { listenToKeys, makeShell } from "./shell.js";
import { route, start } from "./router.js";

route("/plugins", () => import("./pages/plugins.js"));
route("/plugins/-/new", () => import("./pages/plugin-create.js"));
route("/plugins/:name", () => import("./pages/plugin.js"));
route("/plugins/:name/edit", () => import("./pages/plugin-edit.js"));
route("/plugins/:name/versions", () => import("./pages/versions.js"));
route("/services", () => import("./pages/services.js"));
route("/services/:name", () => import("./pages/service.js"));
route("/backends", () => import("./pages/backends.js"));
route("/routes", () => import("./pages/routes.js"));
route("/try", () => import("./pages/try.js"));
route("/explain", () => import("./pages/explain.js"));
route("/status", () => import("./pages/status.js"));
route("/audit", () => import("./pages/audit.js"));

startSession();
if (!token()) await askToken("");
const { main, changed } = makeShell(document.getElementById("app"));
listenToKeys();
await start(main, changed);
