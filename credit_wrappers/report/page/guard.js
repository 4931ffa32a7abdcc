// Runs first. Whatever goes wrong later becomes a message in the page, never a blank page.
function showFailure(message) {
  const app = document.getElementById("app");
  let state = document.getElementById("state");
  if (!state) {
    state = document.createElement("div"); // the file was cut off before it
    state.id = "state";
    document.body.append(state);
  }
  const text = document.createElement("p");
  text.textContent = "This report cannot be shown: " + message;
  state.replaceChildren(text);
  state.hidden = false;
  state.className = "state failed";
  state.setAttribute("role", "alert");
  if (app) app.hidden = true;
}
window.addEventListener("error", (event) => showFailure(event.message || "a script failed"));
window.addEventListener("unhandledrejection", (event) => showFailure(String(event.reason)));
window.reportBegan = false; // the script at the end of the file sets it
window.addEventListener("load", () => {
  if (!window.reportBegan) showFailure("the file is incomplete, or this browser is older than 2024. Copy or write the file again.");
});
