import { createRoot } from "react-dom/client";
import { App } from "./App.js";
import { Looking } from "./language.js";
import { Sayings } from "./ui/parts.js";

const place = document.getElementById("dashboard");
if (place) {
  createRoot(place).render(
    <Looking>
      <Sayings>
        <App />
      </Sayings>
    </Looking>,
  );
}
