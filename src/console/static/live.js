// Keeps a page as the vault is. The page names its living parts with data-live and an id; when the vault tells of something,
// the same page is fetched again and the parts that differ take the place of the old ones. A part that somebody writes in, or
// that a passkey is just asked about, stays until they are done. Without this script the page is what it was when it came.
"use strict";
(() => {
  const EVENTS = "/console/events";
  const PAUSE_MS = 1000; // between two fetches at least: a thousand events are one change to look at
  const GRACE_MS = 3000; // without a connection before it is said

  const offline = document.getElementById("offline");
  let source, due, losing, fetching = false, again = false, lastFetch = 0;

  const asOf = () => document.querySelector("[data-as-of] time")?.textContent ?? "an unknown time";

  function lost(why) {
    if (!offline) return;
    offline.textContent = `${why} This page shows the state as of ${asOf()}.`;
    offline.hidden = false;
  }

  function found() {
    clearTimeout(losing);
    losing = undefined;
    if (offline) offline.hidden = true;
  }

  // Somebody is in the middle of something here.
  function inUse(part) {
    if (part.querySelector('[aria-busy="true"]')) return true;
    const active = document.activeElement;
    if (part.contains(active) && active.matches("input, textarea, select")) return true;
    return [...part.querySelectorAll("input, textarea")].some((field) =>
      field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
  }

  // The same element in the new part: by id, by its form's target, or by where a link leads.
  function likeness(old, part) {
    if (!old || !part) return null;
    if (old.id) return part.querySelector(`#${CSS.escape(old.id)}`);
    if (old.matches("a[href]")) return part.querySelector(`a[href="${CSS.escape(old.getAttribute("href"))}"]`);
    const form = old.closest("form[data-target]");
    const same = form && part.querySelector(`form[data-target="${CSS.escape(form.dataset.target)}"]`);
    return same ? same.querySelector(old.localName) : null;
  }

  function swap(old, part) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const open = [...old.querySelectorAll("details")].map((details) => details.open);
    [...part.querySelectorAll("details")].forEach((details, place) => { details.open = open[place] ?? details.open; });
    const scrolled = [...old.querySelectorAll(".scroll, .raw")].map((box) => [box.scrollLeft, box.scrollTop]);
    old.replaceWith(part);
    [...part.querySelectorAll(".scroll, .raw")].forEach((box, place) => {
      if (scrolled[place]) [box.scrollLeft, box.scrollTop] = scrolled[place];
    });
    if (focused) (likeness(focused, part) ?? document.getElementById("main"))?.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("custodyd:swapped", { detail: part }));
  }

  // What changed in a list is shown for a moment, an entry at a time.
  function point(old, part) {
    const before = new Map([...old.querySelectorAll("article[id]")].map((entry) => [entry.id, entry.textContent]));
    if (before.size === 0) return;
    for (const entry of part.querySelectorAll("article[id]")) {
      if (before.get(entry.id) !== entry.textContent) entry.classList.add("changed");
    }
  }

  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    lastFetch = Date.now();
    try {
      // Told apart from somebody who looks: a page left open is no activity that keeps a session alive.
      const answer = await fetch(location.href, { headers: { "x-custodyd-live": "1" }, cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        source?.close();
        lost("You are signed out.");
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      if (source.readyState === EventSource.CLOSED) connect();
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      let busy = false;
      for (const part of fresh.querySelectorAll("[data-live][id]")) {
        const old = document.getElementById(part.id);
        if (!old || old.isEqualNode(part)) continue;
        if (inUse(old)) { busy = true; continue; }
        point(old, part);
        swap(old, document.importNode(part, true));
      }
      found();
      if (busy) soon(5 * PAUSE_MS);
    } catch {
      lost("Connection lost.");
      soon(5 * PAUSE_MS);
    } finally {
      fetching = false;
      if (again) { again = false; soon(PAUSE_MS); }
    }
  }

  function soon(wait = 0) {
    if (due) return;
    const rest = Math.max(wait, lastFetch + PAUSE_MS - Date.now(), 0);
    due = setTimeout(() => { due = undefined; refresh(); }, rest);
  }

  function connect() {
    source?.close();
    source = new EventSource(EVENTS);
    let opened = false;
    // What happened while nobody listened is in the page that is fetched now.
    source.onopen = () => {
      clearTimeout(losing);
      losing = undefined;
      if (opened || !offline?.hidden) soon();
      opened = true;
    };
    source.addEventListener("change", () => soon());
    // Streams end by themselves from time to time, and the browser comes back at once.
    source.onerror = () => {
      losing ??= setTimeout(() => lost("Connection lost."), GRACE_MS);
      // Refused, where it isn't cut off: the page itself is told why, and if it may still be read, listens again.
      if (source.readyState === EventSource.CLOSED) soon(5 * PAUSE_MS);
    };
  }

  if (!document.querySelector("[data-live]")) return;
  connect();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  addEventListener("pageshow", (event) => { if (event.persisted) { connect(); soon(); } });
  addEventListener("pagehide", () => source?.close());
  // After an act the page shows what came of it.
  document.addEventListener("custodyd:acted", () => soon());
  // Whatever refused an act may be something that the page doesn't show yet.
  document.addEventListener("custodyd:refused", () => soon());
})();
