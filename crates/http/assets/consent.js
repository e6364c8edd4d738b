// Copies what is shown once, and takes it out of the page when the page is left; says moments in the
// zone of whoever reads. The page works without this, and says them in UTC then.
"use strict";

for (const button of document.querySelectorAll("button.copy")) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // not a secure context, or not allowed: what is selected can be copied by hand
      return;
    }
    button.textContent = button.dataset.copied;
    setTimeout(() => {
      button.textContent = label;
    }, 2000);
  });
}

// a browser may keep a page that was left, and show it again as it was
const once = document.querySelector(".once");
if (once) {
  addEventListener("pagehide", () => {
    const said = document.createElement("p");
    said.textContent = once.dataset.wiped;
    once.replaceChildren(said);
  });
}

/** As they are written where the reader is: English of a British browser is not that of an American. */
function locale() {
  const page = document.documentElement.lang;
  const own = navigator.language;
  const of = own.toLowerCase().split("-")[0] === page ? own : page;
  return `${of}-u-nu-latn`;
}

const moments = new Intl.DateTimeFormat(locale(), {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});
for (const time of document.querySelectorAll("time")) {
  time.textContent = moments.format(new Date(time.dateTime));
}

document.querySelector(".mistakes")?.focus();
