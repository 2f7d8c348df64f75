// Keeps a page as the vault is. The page names its living parts with data-live and an id; when the vault tells of something,
// the same page is fetched again and the parts that differ take the place of the old ones. A part that somebody writes in, or
// that a passkey is just asked about, stays until they are done, and one whose button they are about to press until they leave
// it. Without this script the page is what it was when it came.
"use strict";
(() => {
  const EVENTS = "/console/events";
  const PAUSE_MS = 1000; // between two fetches at least: a thousand events are one change to look at
  const GRACE_MS = 3000; // without a connection before it is said
  const MOVED_MS = 1000; // in which a form that moved takes no press: it was meant for what stood there before
  const BUTTON = "form[data-act] button";

  const offline = document.getElementById("offline");
  const news = document.getElementById("news");
  const served = new WeakMap(); // each living part as it came, before scripts and people changed anything in it
  const settling = new WeakMap(); // forms that moved, and their timers
  const pressed = new Set(); // forms whose act had its answer, which the page doesn't show yet: nobody is about to press them
  let source, due, dueAt, losing, pointed, fetching = false, again = false, lastFetch = 0;

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
    if ([...part.querySelectorAll("select")].some((field) => field.selectedIndex !== preset(field))) return true;
    return [...part.querySelectorAll("input, textarea")].some((field) =>
      field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
  }

  // The option that a list begins with: the one that is marked, else the first.
  const preset = (field) => Math.max([...field.options].findLastIndex((option) => option.defaultSelected), 0);

  // Somebody is about to press a button here, or has pressed and not let go.
  function isAimedAt(part) {
    if (part.matches(":active")) return true;
    return [pointed, part.querySelector(`${BUTTON}:focus-visible`)].some((button) =>
      button && part.contains(button) && !pressed.has(button.form));
  }

  // A part without its times: that they are longer ago than they were is no change.
  function timeless(part) {
    const copy = part.cloneNode(true);
    for (const time of copy.querySelectorAll("time")) time.replaceWith(document.createElement("time"));
    return copy;
  }

  function retime(old, part) {
    const fresh = [...part.querySelectorAll("time")];
    old.querySelectorAll("time").forEach((time, place) => time.replaceWith(document.importNode(fresh[place], true)));
    served.set(old, part);
  }

  // Where forms stand in the window.
  function standing() {
    const places = new Map();
    for (const form of document.querySelectorAll("form[data-act]")) {
      const { left, top } = form.getBoundingClientRect();
      const name = `${form.dataset.target} ${form.id}`;
      places.set(name, [...(places.get(name) ?? []), [left, top, form]]);
    }
    return places;
  }

  // A form that stands elsewhere than before, or nowhere before, takes no press for a moment.
  function settle(before) {
    for (const [name, places] of standing()) {
      for (const [left, top, form] of places) {
        const stayed = before.get(name)?.some(([x, y]) => Math.abs(x - left) < 2 && Math.abs(y - top) < 2);
        if (stayed) continue;
        clearTimeout(settling.get(form));
        form.dataset.moved = "";
        settling.set(form, setTimeout(() => { delete form.dataset.moved; }, MOVED_MS));
      }
    }
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
  function point(before, part) {
    const entries = new Map([...before.querySelectorAll("article[id]")].map((entry) => [entry.id, entry]));
    if (entries.size === 0) return;
    for (const entry of part.querySelectorAll("article[id]")) {
      const known = entries.get(entry.id);
      if (!known || !timeless(known).isEqualNode(timeless(entry))) entry.classList.add("changed");
    }
  }

  // Puts what differs in its place. Gives what has to wait: parts that somebody uses, and parts whose button they aim at.
  function show(fresh) {
    const waits = { busy: false, aimed: false };
    let before;
    for (const part of fresh.querySelectorAll("[data-live][id]")) {
      const old = document.getElementById(part.id);
      const known = old && (served.get(old) ?? old);
      if (!old || known.isEqualNode(part)) continue;
      if (timeless(known).isEqualNode(timeless(part))) { retime(old, part); continue; }
      if (inUse(old)) { waits.busy = true; continue; }
      if (isAimedAt(old)) { waits.aimed = true; continue; }
      before ??= standing();
      const shown = document.importNode(part, true);
      served.set(shown, part);
      point(known, shown);
      swap(old, shown);
    }
    if (before) settle(before);
    return waits;
  }

  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    lastFetch = Date.now();
    const answered = [...pressed];
    try {
      // Told apart from somebody who looks: a page left open is no activity that keeps a session alive.
      const answer = await fetch(location.href, { headers: { "x-custodyd-live": "1" }, cache: "no-store", redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        source?.close();
        lost("You are signed out.");
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const { operator } = fresh.body.dataset;
      if (operator !== document.body.dataset.operator) {
        source?.close();
        lost(`${operator} is signed in here now, by another tab. Load this page again to go on as ${operator}.`);
        return;
      }
      if (source.readyState === EventSource.CLOSED) connect();
      const { busy, aimed } = show(fresh);
      answered.forEach((form) => pressed.delete(form));
      found();
      if (news) news.hidden = !aimed;
      if (busy || aimed) soon(5 * PAUSE_MS);
    } catch {
      lost("Connection lost.");
      soon(5 * PAUSE_MS);
    } finally {
      fetching = false;
      if (again) { again = false; soon(PAUSE_MS); }
    }
  }

  function soon(wait = 0) {
    const at = Math.max(Date.now() + wait, lastFetch + PAUSE_MS);
    if (due && dueAt <= at) return;
    clearTimeout(due);
    dueAt = at;
    due = setTimeout(() => { due = undefined; refresh(); }, at - Date.now());
  }

  function connect() {
    source?.close();
    source = new EventSource(EVENTS);
    // What happened while nobody listened, be it since the page was made, is in the page that is fetched now.
    source.onopen = () => {
      clearTimeout(losing);
      losing = undefined;
      soon();
    };
    source.addEventListener("change", () => soon());
    // Streams end by themselves from time to time, and the browser comes back at once.
    source.onerror = () => {
      losing ??= setTimeout(() => lost("Connection lost."), GRACE_MS);
      // Refused, where it isn't cut off: the page itself is told why, and if it may still be read, listens again.
      if (source.readyState === EventSource.CLOSED) soon(5 * PAUSE_MS);
    };
  }

  // Whoever leaves a button sees what waited for it.
  function left() {
    if (news && !news.hidden) soon();
  }

  if (!document.querySelector("[data-live]")) return;
  for (const part of document.querySelectorAll("[data-live][id]")) served.set(part, part.cloneNode(true));
  connect();
  // A finger is over a button only while it is down; a pointer that rests there is, whether it moves or not.
  document.addEventListener("pointerover", (event) => { pointed = event.target.closest?.(BUTTON); });
  document.addEventListener("pointerout", () => {
    if (pointed) left();
    pointed = undefined;
  });
  document.addEventListener("focusout", left);
  document.addEventListener("pointerup", left);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  addEventListener("pageshow", (event) => { if (event.persisted) { connect(); soon(); } });
  addEventListener("pagehide", () => source?.close());
  // After an act the page shows what came of it; and whatever refused one may be something that the page doesn't show yet.
  for (const answered of ["custodyd:acted", "custodyd:refused"]) {
    document.addEventListener(answered, (event) => {
      pressed.add(event.target);
      soon();
    });
  }
})();
