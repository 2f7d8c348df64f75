// A bundle as QR codes, and codes as a bundle: for who carries no stick to the air-gapped machine. The file that is drawn is one
// that was downloaded by an act; nothing is fetched here but the drawing of it.
"use strict";
(() => {
  const PAUSE_MS = 250; // between two codes
  const QUIET = 4; // modules around a code (ISO/IEC 18004 §6.3.8)

  async function post(path, body) {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.detail ?? said.title);
    return said;
  }

  function base64(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  }

  function draw(canvas, code) {
    const pixels = canvas.getContext("2d");
    const unit = Math.floor(canvas.width / (code.size + 2 * QUIET));
    const edge = Math.floor((canvas.width - unit * code.size) / 2);
    pixels.fillStyle = "#fff";
    pixels.fillRect(0, 0, canvas.width, canvas.height);
    pixels.fillStyle = "#000";
    code.rows.forEach((row, y) => {
      [...row].forEach((module, x) => { if (module === "1") pixels.fillRect(edge + x * unit, edge + y * unit, unit, unit); });
    });
  }

  async function show(box, file) {
    const [canvas, counter] = [box.querySelector("canvas"), box.querySelector(".counter")];
    const codes = await post("/console/cold/codes", { bytes: base64(new Uint8Array(await file.arrayBuffer())) });
    const [controls, text] = [box.querySelector(".acts"), box.querySelector("details")];
    text.querySelector("textarea").value = codes.map((code) => code.text).join("\n");
    for (const part of [canvas, controls, text]) part.hidden = false;
    let next = 0;
    box.step = () => {
      draw(canvas, codes[next]);
      counter.textContent = `Code ${next + 1} of ${codes.length}`;
      next = (next + 1) % codes.length;
    };
    box.step();
    // Whoever asked their system for less motion pages through them.
    run(box, !matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  function run(box, runs) {
    clearInterval(box.timer);
    box.timer = runs ? setInterval(box.step, PAUSE_MS) : undefined;
    box.querySelector("[data-pause]").textContent = runs ? "Pause" : "Go on";
  }

  async function join(box) {
    const { bytes } = await post("/console/cold/joined", { text: box.querySelector("textarea").value });
    const raw = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
    const carrier = new DataTransfer();
    carrier.items.add(new File([raw], "scanned.tar", { type: "application/x-tar" }));
    document.getElementById(box.dataset.join).querySelector("input[type=file]").files = carrier.files;
    return `${raw.length} bytes are put together: import them above.`;
  }

  const told = (box, doing) => doing.then(
    (text) => { if (text) box.querySelector(".counter").textContent = text; },
    (error) => { box.querySelector(".counter").textContent = error.message; },
  );

  document.addEventListener("change", (event) => {
    const box = event.target.closest?.("[data-codes]");
    if (box && event.target.files?.[0]) told(box, show(box, event.target.files[0]));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (!button) return;
    const [codes, parts] = [button.closest("[data-codes]"), button.closest("[data-join]")];
    if (codes && "pause" in button.dataset) run(codes, !codes.timer);
    if (codes && "next" in button.dataset) {
      run(codes, false);
      codes.step();
    }
    if (parts) told(parts, join(parts));
  });
})();
