"use strict";

// Filters the operations by what is typed; an operation that a link points to is opened.
const search = document.querySelector("#search");
const operations = [...document.querySelectorAll("details.operation")];
const sections = [...document.querySelectorAll("section.resource")];

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const operation of operations) {
    operation.hidden = !words.every((word) => operation.dataset.search.includes(word));
  }
  for (const section of sections) {
    section.hidden = !section.querySelector("details.operation:not([hidden])");
  }
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

search.addEventListener("input", filter);
window.addEventListener("hashchange", openTarget);
openTarget();
