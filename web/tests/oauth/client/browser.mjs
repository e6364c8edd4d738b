// The browser of a person who says yes to everything: opens the address, and goes where it leads.
await (await fetch(process.argv.at(-1))).text();
