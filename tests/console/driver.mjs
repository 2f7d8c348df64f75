// Drives Chromium for the tests of the console: commands come in as JSON, one a line, and each is answered by one line. What a
// browser is told to do is in the tests; here is only how it is told. When the input ends, so does the browser.
//
// Each person has a context of their own (cookies, storage) with one page, and DevTools' virtual authenticator on it, which
// verifies its user without asking (https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/).
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, shots] = process.argv.slice(2);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE_MS = 30000;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 780 };
const MODES = [
  { mode: "light", colorScheme: "light", viewport: DESK },
  { mode: "dark", colorScheme: "dark", viewport: DESK },
  { mode: "phone", colorScheme: "light", viewport: PHONE },
];

const browser = await chromium.launch({
  executablePath,
  // The pages are our own, and a container seldom lets its root make the namespaces that the sandbox takes.
  chromiumSandbox: false,
  args: [
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
  // A fresh browser for somebody: nothing in it, and an authenticator without a passkey.
  async person({ who, origin, verifies = true }) {
    const context = await browser.newContext({ baseURL: origin, viewport: DESK, acceptDownloads: true });
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
  press: (asked) => one(asked).click(),
  fill: ({ text, ...asked }) => one(asked).fill(text),
  choose: ({ option, ...asked }) => one(asked).selectOption(option),
  upload: ({ file, ...asked }) => one(asked).setInputFiles(file),
  text: (asked) => one(asked).innerText(),
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

  async verify({ who, verifies }) {
    const { devtools, authenticatorId } = person(who);
    await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: verifies });
  },

  // Holds the page's acts back until they are let go: what happens meanwhile happened before they arrive.
  async hold({ who }) {
    const held = person(who);
    const gate = new Promise((open) => { held.open = open; });
    held.arrived = new Promise((arrive) => { held.arrive = arrive; });
    await held.page.route("**/console/acts", async (route) => {
      held.arrive();
      await gate;
      await route.continue();
    });
  },
  held: ({ who }) => person(who).arrived.then(() => null),
  letGo: ({ who }) => person(who).open(),
  release: ({ who }) => person(who).page.unrouteAll({ behavior: "wait" }),

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

  // One picture of what the window shows.
  async picture({ who, file, width, height }) {
    const { page } = person(who);
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: file });
    await page.setViewportSize(DESK);
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
