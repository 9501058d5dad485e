// What a script adds to pages that are whole without it: live rows, keys, tips, copying.
"use strict";

const LOOK_MS = 1000;
const page = document.documentElement;
page.classList.add("scripted");

// --- Live: when the log has a new call, the parts of the page that change are fetched and put in place.
const liveSwitch = document.querySelector("[data-live-switch]");
let last = null;
let busy = false;
let waitUntil = 0;

function isLive() {
  return liveSwitch !== null && liveSwitch.getAttribute("aria-pressed") === "true";
}

async function look() {
  if (busy || !isLive() || document.hidden || performance.now() < waitUntil) return;
  busy = true;
  try {
    const answer = await fetch("/changed", { cache: "no-store" });
    if (!answer.ok) return;
    const now = await answer.text();
    if (last !== null && now !== last) {
      const started = performance.now();
      await refresh();
      // A page that takes long to make is not made all the time.
      waitUntil = performance.now() + 5 * (performance.now() - started);
    }
    last = now;
  } catch {
    // The dashboard was stopped; it may come back.
  } finally {
    busy = false;
  }
}

async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store", headers: { "X-Refresh": "1" } });
  if (!answer.ok) return;
  const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = fetched.getElementById(old.id);
    if (fresh === null || fresh.innerHTML === old.dataset.shown) continue;
    replace(old, fresh);
  }
}

function replace(old, fresh) {
  const known = new Set([...old.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
  const open = [...old.querySelectorAll("details[open]")].map((each) => each.className);
  const chosenRow = old.querySelector("tr.chosen")?.dataset.row;
  const shown = fresh.innerHTML;
  old.replaceChildren(...document.adoptNode(fresh).childNodes);
  old.dataset.shown = shown;
  for (const row of old.querySelectorAll("[data-row]")) {
    if (!known.has(row.dataset.row)) row.classList.add("fresh");
    if (row.dataset.row === chosenRow) row.classList.add("chosen");
  }
  for (const each of old.querySelectorAll("details")) {
    if (open.includes(each.className)) each.open = true;
  }
}

function setLive(on) {
  liveSwitch.setAttribute("aria-pressed", String(on));
  localStorage.setItem("live", on ? "1" : "0");
}

if (liveSwitch !== null) {
  if (localStorage.getItem("live") === "0") setLive(false);
  liveSwitch.addEventListener("click", () => setLive(!isLive()));
  if (document.querySelector("[data-live]") !== null) {
    look();
    setInterval(look, LOOK_MS);
  }
}

// --- Keys
const search = document.getElementById("filter");
const help = document.getElementById("keys");
let goes = false;

function rows() {
  return [...document.querySelectorAll("[data-rows] tbody tr[data-row]")];
}

function choose(step) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.findIndex((row) => row.classList.contains("chosen"));
  const to = Math.min(Math.max(at + step, 0), all.length - 1);
  all[at]?.classList.remove("chosen");
  all[to].classList.add("chosen");
  all[to].scrollIntoView({ block: "nearest" });
}

function follow(selector) {
  document.querySelector(selector)?.click();
}

const actions = {
  "/": () => { search?.focus(); search?.select(); },
  j: () => choose(1),
  k: () => choose(-1),
  Enter: () => follow("tr.chosen a"),
  "[": () => follow("a[rel=prev]"),
  "]": () => follow("a[rel=next]"),
  u: () => follow("a[data-up]"),
  l: () => liveSwitch && setLive(!isLive()),
  t: nextTheme,
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inside = event.target;
  if (inside instanceof HTMLElement && inside.matches("input, textarea, select")) {
    if (event.key === "Escape") inside.blur();
    return;
  }
  if (help.open) return;
  if (goes) {
    goes = false;
    follow(`.side nav a[data-key="${CSS.escape(event.key)}"]`);
    return;
  }
  if (event.key === "g") {
    goes = true;
    setTimeout(() => { goes = false; }, 3000);
    return;
  }
  if (event.key === "Enter" && inside instanceof HTMLElement && inside.matches("a, button, summary")) return;
  const action = actions[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());

// --- Light and dark, without loading the page again
function setTheme(theme) {
  page.dataset.theme = theme;
  for (const button of document.querySelectorAll(".theme button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  const form = document.querySelector(".theme");
  const body = new URLSearchParams(new FormData(form));
  body.set("theme", theme);
  fetch(form.action, { method: "POST", body, redirect: "manual" });
}

function nextTheme() {
  const buttons = [...document.querySelectorAll(".theme button")];
  const at = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  setTheme(buttons[(at + 1) % buttons.length].value);
}

document.querySelector(".theme")?.addEventListener("submit", (event) => {
  event.preventDefault();
  setTheme(event.submitter.value);
});

// --- Tips: lines of two columns
const tip = document.getElementById("tip");

document.addEventListener("pointerover", (event) => {
  const about = event.target.closest?.("[data-tip]");
  if (!about) {
    tip.hidden = true;
    return;
  }
  const table = document.createElement("table");
  for (const line of about.dataset.tip.split("\n")) {
    const row = table.insertRow();
    for (const text of line.split("\t")) row.insertCell().textContent = text;
  }
  tip.replaceChildren(table);
  tip.hidden = false;
  place(event);
});

document.addEventListener("pointermove", (event) => {
  if (!tip.hidden) place(event);
});

function place(event) {
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + 14 + width > innerWidth ? event.clientX - 14 - width : event.clientX + 14;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
}

// --- Copy
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1200);
});
