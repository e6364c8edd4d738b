export { ar } from "./strings/ar.js";
