// Small comforts. Every page works without them.
(function () {
  "use strict";
  var problems = document.querySelector("[data-focus]");
  if (problems) problems.focus();

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  // Back from the next page: the form may be sent again.
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });

  document.querySelectorAll("[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });

  var account = document.querySelector("details.account");
  if (account) {
    document.addEventListener("click", function (event) {
      if (account.open && !account.contains(event.target)) account.open = false;
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "Escape" && account.open) {
        account.open = false;
        account.querySelector("summary").focus();
      }
    });
  }

  // A last day that was never chosen follows the first.
  var first = document.getElementById("first_day"), last = document.getElementById("last_day");
  if (first && last && first.type === "date") {
    first.addEventListener("change", function () {
      last.min = first.value;
      if (!last.value || last.value < first.value) last.value = first.value;
    });
  }
})();
