// Drives Chromium for the tests of the console: commands come in as JSON, one a line, and each is answered by one line. What a
// browser is told to do is in the tests; here is only how it is told. When the input ends, so does the browser.
//
// Each person has a context of their own (cookies, storage) with one page, and DevTools' virtual authenticator on it, which
// verifies its user without asking (https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/).
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { layLine } from "./line.mjs";

const [executablePath, shots, origin] = process.argv.slice(2);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE_MS = 30000;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 780 };
const MODES = [
  { mode: "light", colorScheme: "light", viewport: DESK },
  { mode: "dark", colorScheme: "dark", viewport: DESK },
  { mode: "phone", colorScheme: "light", viewport: PHONE },
];

const { host, port } = new URL(origin);
const line = await layLine(port);
const browser = await chromium.launch({
  executablePath,
  // The pages are our own, and a container seldom lets its root make the namespaces that the sandbox takes.
  chromiumSandbox: false,
  args: [
    `--host-resolver-rules=MAP ${host} 127.0.0.1:${line.port}`,
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const people = new Map();

const person = (name) => people.get(name) ?? fail(`${name} has no browser`);
const fail = (why) => { throw new Error(why); };
// RFC 8785, for what statements hold.
const canonical = (value) => JSON.stringify(value, (_, inner) =>
  inner && typeof inner === "object" && !Array.isArray(inner)
    ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
    : inner);
const one = ({ who, at }) => person(who).page.locator(at).first();

const commands = {
  // A fresh browser for somebody: nothing in it, and an authenticator without a passkey. With `beside` it is another tab of
  // somebody else's browser, whose authenticator is their own.
  async person({ who, beside, verifies = true }) {
    const context = beside
      ? person(beside).context
      : await browser.newContext({ baseURL: origin, viewport: DESK, acceptDownloads: true });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: verifies,
        automaticPresenceSimulation: true,
      },
    });
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (said) => {
      // A refused or interrupted request is said by the page itself; what a page runs into is not.
      if (said.type() === "error" && !said.text().startsWith("Failed to load resource")) complaints.push(said.text());
    });
    people.set(who, { context, page, devtools, authenticatorId, complaints });
  },

  async open({ who, path }) {
    const answer = await person(who).page.goto(path, { waitUntil: "load" });
    return { status: answer?.status() ?? 0, path: new URL(person(who).page.url()).pathname };
  },

  where: async ({ who }) => person(who).page.url(),
  // A form that just moved takes no press until whoever looks had time to see it.
  async press(asked) {
    const target = one(asked);
    await target.waitFor();
    await target.locator("xpath=ancestor-or-self::form[@data-moved]").waitFor({ state: "detached" });
    await target.click();
  },
  point: (asked) => one(asked).hover(),
  focus: (asked) => one(asked).focus(),
  // Takes the pointer away, and presses a button in the very moment in which its form moved thereupon.
  async pressMoved({ who, at }) {
    const { page } = person(who);
    const pressed = page.evaluate((at) => new Promise((done) => {
      const moves = new MutationObserver(() => {
        const button = document.querySelector(at);
        if (!button?.form.matches("[data-moved]")) return;
        moves.disconnect();
        button.click();
        done();
      });
      moves.observe(document.body, { subtree: true, childList: true, attributes: true });
    }), at);
    await page.mouse.move(1, 1);
    await pressed;
  },
  // Tells an element from one that takes its place.
  mark: (asked) => one(asked).evaluate((element) => { element.dataset.marked = ""; }),
  down: ({ who }) => person(who).page.mouse.down(),
  up: ({ who }) => person(who).page.mouse.up(),
  fill: ({ text, ...asked }) => one(asked).fill(text),
  choose: ({ option, ...asked }) => one(asked).selectOption(option),
  upload: ({ file, ...asked }) => one(asked).setInputFiles(file),
  text: (asked) => one(asked).innerText(),
  value: (asked) => one(asked).inputValue(),
  attribute: ({ name, ...asked }) => one(asked).getAttribute(name),
  count: ({ who, at }) => person(who).page.locator(at).count(),
  disabled: (asked) => one(asked).isDisabled(),
  // Until something is there to be seen.
  wait: (asked) => one(asked).waitFor({ state: "visible" }),
  waitGone: (asked) => one(asked).waitFor({ state: "hidden" }),
  waitNone: ({ who, at }) => person(who).page.waitForFunction((at) => !document.querySelector(at), at).then(() => null),
  waitPath: ({ who, path, begins }) => person(who).page.waitForURL((url) => begins ? url.pathname.startsWith(begins) : url.pathname === path),
  // What stands there, once anything does.
  async waitText(asked) {
    await one(asked).filter({ hasText: /\S/ }).waitFor({ state: "attached" });
    return one(asked).innerText();
  },
  settle: ({ who }) => person(who).page.waitForTimeout(300),

  key: ({ who, name }) => person(who).page.keyboard.press(name),

  // What the keyboard is on: what it is called, whether it is one of `at`, and whether whoever looks can see that it is there.
  focused: ({ who, at }) =>
    person(who).page.evaluate((at) => {
      const on = document.activeElement;
      const { left, top, right, bottom, width, height } = on.getBoundingClientRect();
      const { outlineStyle, outlineWidth } = getComputedStyle(on);
      return {
        called: `${on.localName}#${on.id} ${on.textContent.trim().slice(0, 40)}`,
        is: at !== undefined && on.matches(at),
        id: on.id,
        marked: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
        seen: width > 0 && height > 0 && right > 0 && bottom > 0 && left < innerWidth && top < innerHeight,
      };
    }, at),

  // What a canvas shows, a byte of brightness for each pixel, and what stands beside it at that moment.
  pixels: ({ who, at, beside }) =>
    person(who).page.evaluate(([at, beside]) => {
      const canvas = document.querySelector(at);
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      let bits = "";
      for (let place = 0; place < data.length; place += 4) bits += data[place] < 128 ? "1" : "0";
      return { width, height, bits, beside: document.querySelector(beside).textContent };
    }, [at, beside]),

  // What pressing something saves, as a file of this name.
  async download({ file, ...asked }) {
    const saved = person(asked.who).page.waitForEvent("download");
    await one(asked).click();
    const download = await saved;
    await download.saveAs(file);
    return download.suggestedFilename();
  },

  // A request of the page's own scripts: status, body, and where it was sent on to.
  fetch: ({ who, path, method = "GET", body, kind = "application/json" }) =>
    person(who).page.evaluate(async ([path, method, body, kind]) => {
      const headers = body === undefined ? {} : { "content-type": kind };
      const answer = await fetch(path, { method, headers, body, redirect: "manual" });
      return { status: answer.status, kind: answer.type, body: await answer.text() };
    }, [path, method, body === undefined ? undefined : JSON.stringify(body), kind]),

  // The cookies of one browser in another.
  async steal({ who, from }) {
    const cookies = await person(from).context.cookies();
    await person(who).context.addCookies(cookies);
    return cookies;
  },

  // A passkey that nobody invited, on this browser's own authenticator; its id.
  make: ({ who, rp }) =>
    person(who).page.evaluate(async (id) => {
      const made = await navigator.credentials.create({
        publicKey: {
          challenge: crypto.getRandomValues(new Uint8Array(32)),
          rp: { id, name: id },
          user: { id: crypto.getRandomValues(new Uint8Array(16)), name: "alice", displayName: "alice" },
          pubKeyCredParams: [{ type: "public-key", alg: -7 }],
          authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        },
      });
      return passkey.encode(made.rawId);
    }, rp),

  // An act as the page's own scripts do it, but signed by this passkey; with `hers` it is said to be the one that is asked for.
  actWith: ({ who, asked, body, credential, hers }) =>
    person(who).page.evaluate(async ([asked, body, credential, hers]) => {
      const post = (path, sent) => fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(sent) });
      const bytes = new TextEncoder().encode(body);
      const hash = [...await passkey.sha256(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const prepared = await post("/console/acts/prepare", { ...asked, body_sha256: hash });
      if (!prepared.ok) return { stated: false, status: prepared.status, body: await prepared.text() };
      const { stated, challenge, rp_id, credentials } = await prepared.json();
      const assertion = await passkey.assert(passkey.decode(challenge), rp_id, [credential]);
      if (hers) [assertion.credential] = credentials;
      const answer = await post("/console/acts", { stated, body: passkey.base64(bytes), assertion });
      return { stated: true, status: answer.status, body: await answer.text() };
    }, [asked, body, credential, hers]),

  // What a page sends there from now on, as it is sent.
  async overhear({ who, path }) {
    const heard = person(who);
    heard.said = [];
    heard.page.on("request", (request) => {
      if (new URL(request.url()).pathname === path && request.method() === "POST") heard.said.push(request.postDataJSON());
    });
  },
  overheard: ({ who }) => person(who).said,

  // Whether the authenticator's owner touches it by themselves.
  async touches({ who, touches }) {
    const { devtools, authenticatorId } = person(who);
    await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: touches });
  },

  async verify({ who, verifies }) {
    const { devtools, authenticatorId } = person(who);
    await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: verifies });
  },

  // Holds what the page sends there back until it is let go: what happens meanwhile happened before it arrives.
  async hold({ who, path = "**/console/acts" }) {
    const held = person(who);
    const gate = new Promise((open) => { held.open = open; });
    held.arrived = new Promise((arrive) => { held.arrive = arrive; });
    await held.page.route(path, async (route) => {
      held.arrive();
      await gate;
      await route.continue();
    });
  },
  held: ({ who }) => person(who).arrived.then(() => null),
  letGo: ({ who }) => person(who).open(),
  release: ({ who }) => person(who).page.unrouteAll({ behavior: "wait" }),

  // Cuts every browser off from the console, or no longer.
  cut: ({ cut }) => line.cut(cut),

  // Answers in the console's stead. With `through` the console gets the request, and only its answer is lost; with `times` it is
  // so only that often.
  async answer({ who, path, method, status, headers = {}, body, through = false, times }) {
    await person(who).page.route(path, async (route) => {
      if (method && route.request().method() !== method) return route.fallback();
      if (through) await route.fetch();
      return route.fulfill({ status, headers, json: body });
    }, { times });
  },

  // Lets a page's clock run until something is there.
  async hurry({ who, at }) {
    const { page } = person(who);
    const there = page.locator(at).first();
    for (let round = 0; round < 300 && !await there.isVisible(); round += 1) {
      await page.clock.runFor(1000);
      await new Promise((next) => { setTimeout(next, 20); });
    }
    await there.waitFor();
  },
  clock: ({ who }) => person(who).page.clock.install(),

  // Lets the console state something else than it does, as one in wrong hands would: a member of the statement by its path. With
  // `challenge` the challenge is made to match. All members are strings and integers, which sorted keys make canonical.
  async restate({ who, at, value, challenge }) {
    const { page } = person(who);
    await page.unrouteAll({ behavior: "wait" });
    await page.route("**/console/acts/prepare", async (route) => {
      const answer = await route.fetch();
      const prepared = await answer.json();
      const path = at.split(".");
      const last = path.pop();
      path.reduce((inner, step) => inner[step], prepared.stated)[last] = value;
      if (challenge) {
        const [statement] = Object.values(prepared.stated);
        prepared.challenge = createHash("sha256").update(canonical(statement)).digest("base64url");
      }
      await route.fulfill({ response: answer, json: prepared });
    });
  },

  // A form that the page didn't make, around whatever it shows there.
  forge: ({ who, at, target }) =>
    person(who).page.evaluate(([at, target]) => {
      const form = document.createElement("form");
      Object.assign(form.dataset, { act: "", method: "POST", kind: "approval", target });
      form.id = "forged";
      form.append(Object.assign(document.createElement("button"), { textContent: "Approve" }));
      document.querySelector(at).append(form);
    }, [at, target]),

  // Pictures of the page in every mode, and what is wrong with it there.
  async look({ who, name }) {
    const { page, devtools, complaints } = person(who);
    const faults = [];
    mkdirSync(shots, { recursive: true });
    for (const { mode, colorScheme, viewport } of MODES) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      // What sticks to the window's upper edge would stand in the middle of a page that is scrolled.
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: join(shots, `${name}-${mode}.png`), fullPage: true, animations: "disabled" });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) faults.push(`${name} in ${mode}: ${wide} px wider than the window`);
      // Through DevTools, because the page's policy lets no other script run.
      await devtools.send("Runtime.evaluate", { expression: AXE });
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const { id, impact, help, nodes } of violations) {
        if (!["serious", "critical"].includes(impact)) continue;
        faults.push(`${name} in ${mode}: ${impact} ${id}: ${help}: ${nodes.slice(0, 4).map((node) => `${node.target} ${node.any.map((check) => check.message).join("; ")}`).join(" | ")}`);
      }
    }
    await page.setViewportSize(DESK);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
    return [...faults, ...complaints.splice(0).map((complaint) => `${name}: ${complaint}`)];
  },

  // One picture of what the window shows, this large. With `layout` the window is that wide, and drawn smaller.
  async picture({ who, file, width, height, layout = width }) {
    const { page, devtools } = person(who);
    const scale = width / layout;
    const window = { width: layout, height: Math.round(height / scale), deviceScaleFactor: 1, scale: 1, mobile: false };
    await devtools.send("Emulation.setDeviceMetricsOverride", window);
    const clip = { x: 0, y: 0, width: layout, height: height / scale, scale };
    const { data } = await devtools.send("Page.captureScreenshot", { clip });
    writeFileSync(file, Buffer.from(data, "base64"));
    await devtools.send("Emulation.clearDeviceMetricsOverride");
  },
};

// Several browsers act at once, so no answer waits for another one's.
const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { number, verb, ...asked } = JSON.parse(line);
  const answer = { number };
  try {
    answer.value = (await (commands[verb] ?? fail(`no such command: ${verb}`))(asked)) ?? null;
  } catch (error) {
    const page = people.get(asked.who)?.page;
    const seen = await page?.locator("body").innerText({ timeout: 1000 }).catch(() => "");
    answer.error = `${error.message}\nat ${page?.url()}, which shows:\n${seen?.slice(0, 2500)}`;
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
lines.on("close", async () => {
  await browser.close();
  process.exit(0);
});
