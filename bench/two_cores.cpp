/* SPDX-License-Identifier: MIT */
#include "two_cores.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace bench {

static double now()
{
    using ns = std::chrono::duration<double, std::nano>;
    return ns(std::chrono::steady_clock::now().time_since_epoch()).count();
}

TwoCores::TwoCores()
{
    cpu_set_t allowed;
    int count = 0;

    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE && count < 2; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            workers_[count++].cpu = cpu;
    if (count < 2) {
        std::fprintf(stderr, "This needs two cores, and the process may use one.\n");
        std::exit(1);
    }
    for (int i = 0; i < 2; i++) {
        pthread_attr_t attributes;
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(workers_[i].cpu, &only);
        workers_[i].owner = this;
        workers_[i].number = i;
        pthread_attr_init(&attributes);
        pthread_attr_setaffinity_np(&attributes, sizeof only, &only);
        if (pthread_create(&workers_[i].thread, &attributes, work, &workers_[i]) != 0) {
            std::fprintf(stderr, "No thread on core %d\n", workers_[i].cpu);
            std::exit(1);
        }
        pthread_attr_destroy(&attributes);
    }
}

TwoCores::~TwoCores()
{
    pthread_mutex_lock(&lock_);
    over_ = true;
    pthread_cond_broadcast(&changed_);
    pthread_mutex_unlock(&lock_);
    for (Worker &worker : workers_)
        pthread_join(worker.thread, nullptr);
}

void *TwoCores::work(void *argument)
{
    Worker &self = *static_cast<Worker *>(argument);
    TwoCores &cores = *self.owner;

    for (unsigned order = 1;; order++) {
        pthread_mutex_lock(&cores.lock_);
        while (!cores.over_ && cores.ordered_ != order)
            pthread_cond_wait(&cores.changed_, &cores.lock_);
        bool over = cores.over_;
        pthread_mutex_unlock(&cores.lock_);
        if (over)
            return nullptr;
        /* Both are awake and on their cores before either begins. */
        cores.met_.fetch_add(1);
        while (cores.met_.load() != 2 * order)
            relax();
        cores.start_[self.number] = now();
        cores.jobs_[self.number]();
        cores.end_[self.number] = now();
        pthread_mutex_lock(&cores.lock_);
        cores.done_[self.number] = order;
        pthread_cond_broadcast(&cores.changed_);
        pthread_mutex_unlock(&cores.lock_);
    }
}

double TwoCores::run(const std::function<void()> &first, const std::function<void()> &second)
{
    pthread_mutex_lock(&lock_);
    jobs_[0] = first;
    jobs_[1] = second;
    ordered_++;
    pthread_cond_broadcast(&changed_);
    while (done_[0] != ordered_ || done_[1] != ordered_)
        pthread_cond_wait(&changed_, &lock_);
    pthread_mutex_unlock(&lock_);
    return std::max(end_[0], end_[1]) - std::min(start_[0], start_[1]);
}

std::string TwoCores::describe() const
{
    std::string path = "/sys/devices/system/cpu/cpu" + std::to_string(workers_[0].cpu) + "/topology/thread_siblings_list";
    std::ifstream file(path);
    std::string siblings, other = std::to_string(workers_[1].cpu);

    std::getline(file, siblings);
    bool one_core = false;
    for (size_t at = 0; at < siblings.size();) {
        size_t end = std::min(siblings.find_first_of(",-", at), siblings.size());
        one_core = one_core || siblings.substr(at, end - at) == other;
        at = end + 1;
    }
    return std::to_string(workers_[0].cpu) + " and " + other + (one_core ? ", two threads of one core" : "");
}

} // namespace bench
