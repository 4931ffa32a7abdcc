// Runs first. Whatever goes wrong later becomes a message in the page, never a blank page.
function showFailure(message) {
  const state = document.getElementById("state");
  const app = document.getElementById("app");
  const text = document.createElement("p");
  text.textContent = "This report cannot be shown: " + message;
  state.replaceChildren(text);
  state.hidden = false;
  state.className = "state failed";
  state.setAttribute("role", "alert");
  app.hidden = true;
}
window.addEventListener("error", (event) => showFailure(event.message || "a script failed"));
window.addEventListener("unhandledrejection", (event) => showFailure(String(event.reason)));
