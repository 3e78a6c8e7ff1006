// Presses the button of the page that only leads on. Without this file the person presses it.
document.querySelector('#go-on').requestSubmit();
