// Text of requests as nodes of the page. It never becomes markup: nodes are made by `element` alone.
"use strict";

// Characters that a browser obeys or leaves out instead of showing them: controls but for tabs and line feeds, bidirectional
// controls, and the separators of lines and paragraphs.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]/g;

/** A control character as an escape. */
function escaped(character) {
  return character === "\r" ? "\\r" : `\\u{${character.codePointAt(0).toString(16)}}`;
}

/** Text with its control characters as escapes, which stand out. */
function visible(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: character, index } of text.matchAll(CONTROL)) {
    const mark = document.createElement("span");
    mark.className = "control";
    mark.textContent = escaped(character);
    nodes.push(text.slice(end, index), mark);
    end = index + 1;
  }
  return [...nodes, text.slice(end)].filter((node) => node !== "");
}

/** An element with text and other elements in it. */
function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    const shown = typeof value === "string" ? value.replace(CONTROL, escaped) : value;
    if (key === "class") node.className = shown;
    else if (key in node) node[key] = shown;
    else node.setAttribute(key, shown);
  }
  const nodes = children.filter((child) => child !== null && child !== undefined);
  node.append(...nodes.flatMap((child) => (typeof child === "string" ? visible(child) : [child])));
  return node;
}

function time(milliseconds) {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function hexadecimal(base64) {
  const bytes = atob(base64).slice(0, 4096);
  const lines = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const line = [...bytes.slice(start, start + 16)];
    const numbers = line.map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
    const text = line.map((byte) => (byte >= " " && byte <= "~" ? byte : ".")).join("");
    lines.push(`${start.toString(16).padStart(4, "0")}  ${numbers.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}
