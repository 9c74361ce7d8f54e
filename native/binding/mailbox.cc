#include "native/binding/mailbox.h"

#include <new>
#include <utility>

namespace nvmem::binding {
namespace {

using OnMail = void (*)(napi_env);

void ring(napi_env env, napi_value /*callback*/, void* context, void* /*data*/) {
  // Without an environment the loop is being torn down: the mailbox is closed, or is about to be.
  if (env != nullptr) reinterpret_cast<OnMail>(context)(env);
}

}  // namespace

std::shared_ptr<Mailbox> Mailbox::create(napi_env env, OnMail on_mail) {
  auto mailbox = std::make_shared<Mailbox>();
  napi_value name = nullptr;
  if (napi_create_string_utf8(env, "nvmem", NAPI_AUTO_LENGTH, &name) != napi_ok) return nullptr;
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                      reinterpret_cast<void*>(on_mail), ring, &mailbox->wake_) != napi_ok) {
    return nullptr;
  }
  mailbox->env_ = env;
  mailbox->open_ = true;
  // Watching holds no process open; operations do, see hold_loop().
  napi_unref_threadsafe_function(env, mailbox->wake_);
  return mailbox;
}

void Mailbox::post(Letter letter) noexcept {
  const std::lock_guard lock(mutex_);
  if (!open_ || letter.empty()) return;
  messages_.splice(messages_.end(), letter);
  if (ringing_) return;
  // Called under the lock so that close() cannot release the function in between. It only posts to the loop.
  ringing_ = napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Mailbox::post_progress(std::uint64_t request, std::uint64_t done) noexcept {
  {
    const std::lock_guard lock(mutex_);
    // A slow loop sees the newest figure, not a backlog.
    for (auto message = messages_.rbegin(); message != messages_.rend(); ++message) {
      if (message->kind == Message::Kind::kProgress && message->id == request) {
        message->done = done;
        return;
      }
    }
  }
  try {
    Letter letter(1);
    letter.front().kind = Message::Kind::kProgress;
    letter.front().id = request;
    letter.front().done = done;
    post(std::move(letter));
  } catch (const std::bad_alloc&) {
    return;  // the next one may get through
  }
}

void Receipt::progress(const Request& request, std::uint64_t done) noexcept {
  mailbox_->post_progress(request.id, done);
}

void Receipt::complete(std::unique_ptr<Request> request) noexcept {
  Message& message = letter_.front();
  message.kind = Message::Kind::kCompleted;
  message.id = request->id;
  message.status = request->outcome.status;
  message.request = std::move(request);
  mailbox_->post(std::move(letter_));
}

Letter Mailbox::take() noexcept {
  const std::lock_guard lock(mutex_);
  ringing_ = false;
  return std::exchange(messages_, {});
}

void Mailbox::hold_loop(bool hold) noexcept {
  if (hold) {
    napi_ref_threadsafe_function(env_, wake_);
  } else {
    napi_unref_threadsafe_function(env_, wake_);
  }
}

void Mailbox::close() noexcept {
  Letter dropped;
  const std::lock_guard lock(mutex_);
  if (!open_) return;
  open_ = false;
  dropped.swap(messages_);
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
}

}  // namespace nvmem::binding
